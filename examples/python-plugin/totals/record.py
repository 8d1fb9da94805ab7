"""From a record of the plugin's topic to a delivery, in any of the three envelopes."""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

TEAM_ID = re.compile(r"[a-z0-9-]{1,64}")
EVENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
DELIVERY_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
REVISION = re.compile(r"[0-9]{1,15}")
STRUCTURED_CONTENT_TYPE = "application/cloudevents+json"
TEXT_LENGTH_MAX = 512


@dataclass(frozen=True)
class Record:
    """A record as it was read: bytes unchanged, headers in order; one without a value counts as absent."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    read_from: str

    def header(self, name: str) -> str | None:
        """A header as text; of a repeated one the last counts. Raises UnicodeDecodeError."""
        values = [value for known, value in self.headers if known == name]
        return values[-1].decode("utf-8") if values else None


@dataclass(frozen=True)
class Delivery:
    """One event on its way to this plugin for one team."""

    id: str
    team: str
    event: str
    source: str
    event_id: str
    form_id: str | None
    response_id: str | None
    revision: int | None
    data: dict[str, Any]
    route_version: str | None
    routed_at: str | None
    origin: str | None
    record: Record


class Malformed(Exception):
    """The record is no event of this plugin's; `reason` is one of a closed set."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def delivery_id(team: str, plugin: str, source: str, event_id: str) -> str:
    """Deterministic identity. Lengths are in UTF-16 code units, the rest is UTF-8."""
    parts = (team, source, event_id)
    text = "".join(f"{len(part.encode('utf-16-le')) // 2}:{part}" for part in parts)
    return f"{plugin}.{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def receive(record: Record, plugin: str, flat_source: str) -> Delivery:
    """Decodes a record. Raises Malformed."""
    try:
        attributes, data = _decode(record, flat_source)
        addressee = record.header("pb-plugin")
        given_id = record.header("pb-delivery-id")
        if addressee not in (None, plugin):
            raise Malformed("invalid", f"pb-plugin: is for {addressee}, this is {plugin}")
        team = _text(attributes, "team", required="no-team", pattern=TEAM_ID)
        event = _text(attributes, "event", required="no-event", pattern=EVENT_NAME)
        source = _text(attributes, "source", required="invalid")
        event_id = _text(attributes, "id", required="invalid")
        assert team is not None and event is not None and source is not None and event_id is not None
        if given_id is None or not DELIVERY_ID.fullmatch(given_id):
            given_id = delivery_id(team, plugin, source, event_id)
        _time(attributes)
        return Delivery(
            id=given_id,
            team=team,
            event=event,
            source=source,
            event_id=event_id,
            form_id=_text(attributes, "form", length_max=128),
            response_id=_text(attributes, "response"),
            revision=_revision(attributes),
            data=data,
            route_version=record.header("pb-route-version"),
            routed_at=record.header("pb-routed-at"),
            origin=record.header("pb-origin"),
            record=record,
        )
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise Malformed("invalid", f"is not UTF-8: {error}") from error


def _decode(record: Record, flat_source: str) -> tuple[dict[str, Any], dict[str, Any]]:
    if record.header("ce_type") is not None or record.header("ce_id") is not None:
        names = {"id": "ce_id", "source": "ce_source", "event": "ce_type", "team": "ce_teamid", "form": "ce_formid"}
        names |= {"response": "ce_subject", "revision": "ce_revision", "time": "ce_time"}
        data = _json(record.value) if record.value else {}
        return {ours: record.header(theirs) for ours, theirs in names.items()}, _payload(data)
    if not record.value:
        raise Malformed("empty", "the record has neither ce_* headers nor a value")
    event = _json(record.value)
    if not isinstance(event, dict):
        raise Malformed("not-an-object", "the value is JSON but not an object")
    content_type = record.header("content-type") or ""
    if "specversion" in event or content_type.startswith(STRUCTURED_CONTENT_TYPE):
        names = {"id": "id", "source": "source", "event": "type", "team": "teamid", "form": "formid"}
        names |= {"response": "subject", "revision": "revision", "time": "time"}
    else:
        event = {**event, "source": flat_source if event.get("source") is None else event["source"]}
        names = {"id": "id", "source": "source", "event": "event", "team": "team_id", "form": "form_id"}
        names |= {"response": "response_id", "revision": "revision", "time": "occurred_at"}
    data = event.get("data")
    return {ours: event.get(theirs) for ours, theirs in names.items()}, _payload({} if data is None else data)


def _json(value: bytes) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise Malformed("not-json", f"the value is not JSON: {error}") from error


def _payload(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"value": value}


def _text(
    attributes: dict[str, Any],
    name: str,
    *,
    required: str | None = None,
    pattern: re.Pattern[str] | None = None,
    length_max: int = TEXT_LENGTH_MAX,
) -> str | None:
    value = attributes[name]
    if value is None and required is None:
        return None
    if value is None:
        raise Malformed(required or "invalid", f"{name}: is missing")
    # Cores with numeric ids may send them as numbers.
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not 1 <= len(text) <= length_max:
        raise Malformed("invalid", f"{name}: must be text of 1 to {length_max} characters")
    if pattern is not None and not pattern.fullmatch(text):
        raise Malformed("invalid", f"{name}: must be {pattern.pattern}")
    return text


def _revision(attributes: dict[str, Any]) -> int | None:
    text = _text(attributes, "revision")
    if text is not None and not REVISION.fullmatch(text):
        raise Malformed("invalid", "revision: must be a whole number")
    return None if text is None else int(text)


def _time(attributes: dict[str, Any]) -> None:
    text = _text(attributes, "time")
    try:
        if text is not None and datetime.fromisoformat(text).tzinfo is None:
            raise ValueError("has no offset")
    except ValueError as error:
        raise Malformed("invalid", f"time: {error}") from error
