"""What the plugin is for: it adds up one numeric answer, converted into one currency."""

import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from math import isfinite
from typing import Any

from .record import Delivery

RATE_DEADLINE_S = 5
RATE_BYTES_MAX = 64 * 1024

SETTINGS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "minLength": 1, "maxLength": 256, "description": "Whose answer is added up."},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$", "description": "What its answers are in: ISO 4217."},
    },
    "required": ["question", "currency"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Delivered:
    """Done: this amount counts for the response."""

    amount: float


@dataclass(frozen=True)
class Retry:
    """Not now."""

    reason: str


@dataclass(frozen=True)
class Rejected:
    """The team's fault: its settings or its data."""

    reason: str


class Rates:
    """The exchange rate service of whoever runs this plugin: `GET <url>/<currency>` answers `{"rate": number}`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def rate(self, currency: str) -> float | None:
        """The rate; None when the service knows no such currency. Raises OSError or ValueError when it fails."""
        try:
            with urllib.request.urlopen(f"{self._url}/{currency}", timeout=RATE_DEADLINE_S) as answer:
                rate = json.loads(answer.read(RATE_BYTES_MAX))["rate"]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
        except (KeyError, TypeError) as error:
            raise ValueError("the rate service's answer has no rate") from error
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not isfinite(rate):
            raise ValueError("the rate service's rate is no number")
        return float(rate)


def settings_problems(settings: dict[str, Any], rates: Rates) -> list[dict[str, str]]:
    """What is wrong with a team's settings. Raises when the rate service fails: then nobody can tell."""
    problems: list[dict[str, str]] = []
    question, currency = settings.get("question"), settings.get("currency")
    if not isinstance(question, str) or not 1 <= len(question) <= 256:
        problems.append({"path": "/question", "message": "must be text of 1 to 256 characters"})
    if not isinstance(currency, str) or not re.fullmatch("[A-Z]{3}", currency):
        problems.append({"path": "/currency", "message": "must be three capital letters"})
    elif rates.rate(currency) is None:
        problems.append({"path": "/currency", "message": "is no currency that the rate service knows"})
    return problems


def handle(delivery: Delivery, settings: dict[str, Any], rates: Rates) -> Delivered | Retry | Rejected:
    """One attempt. It changes nothing: what it found is stored together with the delivery's identity."""
    answers = delivery.data.get("answers")
    value = answers.get(settings["question"]) if isinstance(answers, dict) else None
    if delivery.response_id is None:
        return Rejected("the event names no response")
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return Rejected(f"the answer to {settings['question']} is no number")
    try:
        rate = rates.rate(settings["currency"])
    except (OSError, ValueError) as error:
        return Retry(f"the rate service failed: {error}")
    return Rejected("the rate service no longer knows the currency") if rate is None else Delivered(value * rate)
