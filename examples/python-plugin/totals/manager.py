"""What the plugin asks of the manager, and the thread that keeps it registered."""

import json
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .handler import SETTINGS_SCHEMA
from .record import Delivery
from .settings import PLUGIN_ID

CALL_DEADLINE_S = 10
GOODBYE_DEADLINE_S = 2
ANSWER_BYTES_MAX = 64 * 1024 * 1024
REGISTER_DELAY_S_MAX = 10.0
SETTINGS_PAGE_ITEMS = 200
# A change of enablement is in force after this long at most.
ROUTES_KEPT_S = 1.0
TEAMS_KEPT_MAX = 10_000

log = logging.getLogger("totals.manager")


class ManagerError(Exception):
    """The manager refused, or did not answer."""


@dataclass(frozen=True)
class Registration:
    """The manager's answer to a registration, as far as it is used."""

    # By lane: priority, live, bulk; and deadLetter.
    topics: dict[str, str]
    lease_seconds: float
    webhook_secret: str


def registration_body(plugin_url: str) -> dict[str, Any]:
    """What this plugin says of itself, to the manager and at `/metadata`."""
    form = {"type": "object", "properties": {"form": {"type": "string"}}, "additionalProperties": False}
    return {
        "name": "Totals",
        "description": "Adds up a numeric answer, converted into one currency.",
        "url": plugin_url,
        "version": "1.0.0",
        "events": ["onResponse", "onResponseUpdate"],
        "settings": SETTINGS_SCHEMA,
        "actions": [{"name": "total", "description": "The sum so far.", "input": form}],
    }


class Manager:
    """One method per call; none of them retries."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self._routes: dict[str, tuple[float, Any]] = {}

    def register(self, body: dict[str, Any]) -> Registration:
        """Registers this plugin, or says again what it is: harmless."""
        answer = self._call("PUT", f"/v1/plugins/{PLUGIN_ID}", body)
        return Registration(answer["topics"], answer["leaseSeconds"], answer["webhookSecret"])

    def heartbeat(self, instance: str) -> None:
        """Keeps this instance counted until the lease ends."""
        self._call("PUT", f"/v1/plugins/{PLUGIN_ID}/instances/{instance}", {}, deadline_s=4)

    def goodbye(self, instance: str) -> None:
        """This instance is no longer there."""
        self._call("DELETE", f"/v1/plugins/{PLUGIN_ID}/instances/{instance}", deadline_s=GOODBYE_DEADLINE_S)

    def settings_in_force(self) -> Iterator[dict[str, Any]]:
        """All teams' settings that were applied, page by page: for a plugin whose database is empty."""
        after = ""
        while True:
            page = self._call("GET", f"/v1/plugins/{PLUGIN_ID}/settings?limit={SETTINGS_PAGE_ITEMS}{after}")
            yield from (item for item in page["items"] if item["state"] == "applied")
            if page["next"] is None:
                return
            after = f"&after={page['next']}"

    def enablement(self, delivery: Delivery) -> str:
        """`enabled`, `disabled`, `not-ready` (settings) or `waiting` (maintenance). Raises ManagerError."""
        team = delivery.team
        known = self._routes.get(team)
        if known is None or time.monotonic() - known[0] > ROUTES_KEPT_S or _is_behind(known[1], delivery):
            answer = self._call("POST", "/internal/routes", {"teams": [team], "plugins": [PLUGIN_ID]})
            if len(self._routes) >= TEAMS_KEPT_MAX:
                self._routes.clear()
            known = (time.monotonic(), answer)
            self._routes[team] = known
        entry, plugin = known[1]["teams"][team], known[1]["plugins"][PLUGIN_ID]
        route = next((one for one in (entry or {}).get("plugins", []) if one["id"] == PLUGIN_ID), None)
        if route is None:
            return "disabled"
        if plugin is not None and plugin["state"] != "enabled":
            return "waiting"
        return "enabled" if route["ready"] else "not-ready"

    def _call(self, method: str, path: str, body: Any = None, deadline_s: float = CALL_DEADLINE_S) -> Any:
        request = urllib.request.Request(self._url + path, method=method)
        request.add_header("authorization", f"Bearer {self._token}")
        if body is not None:
            request.add_header("content-type", "application/json")
            request.data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, timeout=deadline_s) as answer:
                text = answer.read(ANSWER_BYTES_MAX)
                return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            quote = error.read(500).decode(errors="replace")
            raise ManagerError(f"the manager answered {error.code} to {method} {path}: {quote}") from error
        except (OSError, ValueError) as error:
            raise ManagerError(f"the manager does not answer {method} {path}: {error}") from error


def _is_behind(routes: Any, delivery: Delivery) -> bool:
    """Whether what was kept is older than the table that routed the delivery."""
    version = (delivery.route_version or "").split(".")[0]
    entry = routes["teams"][delivery.team]
    return version.isdigit() and (-1 if entry is None else entry["v"]) < int(version)


class Registrar(threading.Thread):
    """Keeps the plugin registered; it may be started before the manager, and outlive it."""

    def __init__(
        self, manager: Manager, plugin_url: str, instance: str, on_registered: Callable[[Registration], None]
    ) -> None:
        super().__init__(name="registrar", daemon=True)
        self._manager = manager
        self.body = registration_body(plugin_url)
        self._instance = instance
        self._on_registered = on_registered
        self._stop_asked = threading.Event()
        self.registration: Registration | None = None

    def run(self) -> None:
        """Registers, beats until a beat fails, registers again."""
        delay = 0.25
        while not self._stop_asked.is_set():
            try:
                registration = self._manager.register(self.body)
                self.registration = registration
                self._on_registered(registration)
                log.info("registered")
                delay = 0.25
                while True:
                    self._manager.heartbeat(self._instance)
                    if self._stop_asked.wait(registration.lease_seconds / 3):
                        return
            except Exception as error:
                # Whatever it was: a plugin that is not registered is not called, so this goes on for ever.
                log.warning("not registered; trying again: %s", error)
                self._stop_asked.wait(delay)
                delay = min(delay * 2, REGISTER_DELAY_S_MAX)

    def stop(self) -> None:
        """Says goodbye; a lease that nobody renews runs out by itself."""
        self._stop_asked.set()
        self.join(CALL_DEADLINE_S + 1)
        try:
            if self.registration is not None:
                self._manager.goodbye(self._instance)
        except ManagerError as error:
            log.info("goodbye not heard: %s", error)
