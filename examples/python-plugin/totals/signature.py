"""Calls of the manager are signed as Standard Webhooks says; nothing of an unsigned body is parsed."""

import base64
import binascii
import hashlib
import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping

TOLERANCE_S = 300
# Ids are kept as long as their timestamp passes, twice the tolerance; a manager makes far fewer calls in that time.
IDS_KEPT_MAX = 100_000


class SignatureInvalid(Exception):
    """The call does not come from the manager, is too old, or was made before."""


class Signatures:
    """Verifies calls, and refuses one that comes a second time."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def verify(self, secret: str, headers: Mapping[str, str | None], body: bytes, now: float | None = None) -> None:
        """Raises SignatureInvalid unless the body is signed with `secret` (`whsec_…`)."""
        now = time.time() if now is None else now
        message_id = headers.get("webhook-id") or ""
        timestamp = headers.get("webhook-timestamp") or ""
        given = headers.get("webhook-signature") or ""
        if not message_id or not timestamp or not given:
            raise SignatureInvalid("webhook-id, webhook-timestamp or webhook-signature is missing")
        if not (timestamp.isascii() and timestamp.isdigit()) or abs(now - int(timestamp)) > TOLERANCE_S:
            raise SignatureInvalid("webhook-timestamp is more than five minutes off")
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error as error:
            raise SignatureInvalid("the webhook secret is not base64") from error
        signed = f"{message_id}.{timestamp}.".encode() + body
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
        candidates = (part.split(",", 1) for part in given.split(" "))
        # Every candidate is compared, each in constant time: how long it takes tells nothing.
        matches = [
            hmac.compare_digest(expected, candidate[1].encode())
            for candidate in candidates
            if len(candidate) == 2 and candidate[0] == "v1"
        ]
        if not any(matches):
            raise SignatureInvalid("no signature fits")
        self._first_time(message_id, now)

    def _first_time(self, message_id: str, now: float) -> None:
        with self._lock:
            while self._seen and (
                len(self._seen) >= IDS_KEPT_MAX or next(iter(self._seen.values())) < now - 2 * TOLERANCE_S
            ):
                self._seen.popitem(last=False)
            if message_id in self._seen:
                raise SignatureInvalid("this webhook-id was used before")
            self._seen[message_id] = now
