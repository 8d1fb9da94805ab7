"""The HTTP surface: what the manager calls, signed, and health."""

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .handler import Rates, settings_problems
from .manager import Registrar
from .settings import PLUGIN_ID
from .signature import SignatureInvalid, Signatures
from .store import Store

BODY_BYTES_MAX = 1024 * 1024 + 64 * 1024
CONNECTIONS_MAX = 64
SOCKET_DEADLINE_S = 30

log = logging.getLogger("totals.http")


class Refusal(Exception):
    """Becomes a problem document; `code` is one of docs/errors.md."""

    def __init__(self, status: int, code: str, detail: str, problems: list[dict[str, str]] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"status": status, "code": code, "detail": detail, "problems": problems or []}


class Surface(ThreadingHTTPServer):
    """Listens from its making on; serves from `start` on."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, store: Store, rates: Rates) -> None:
        super().__init__(("0.0.0.0", port), Handler)
        self.store = store
        self.rates = rates
        self.signatures = Signatures()
        self.registrar: Registrar | None = None
        self._places = threading.BoundedSemaphore(CONNECTIONS_MAX)

    def start(self) -> None:
        """Serves on a thread of its own."""
        threading.Thread(target=self.serve_forever, name="http", daemon=True).start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """At most CONNECTIONS_MAX at once are worked on."""
        with self._places:
            super().process_request_thread(request, client_address)

    def initialize(self, body: dict[str, Any]) -> dict[str, Any]:
        """Takes a version of a team's settings; an older one never replaces a newer one."""
        team, version, settings = body.get("team"), body.get("version"), body.get("settings")
        if not isinstance(team, str) or not isinstance(version, int) or not isinstance(settings, dict):
            raise Refusal(400, "invalid-input", "body: needs team, version and settings")
        known = self.store.settings_head(team)
        if known is None or known["version"] <= version:
            try:
                reasons = settings_problems(settings, self.rates)
            except (OSError, ValueError) as error:
                # Neither right nor wrong: the manager asks again.
                raise Refusal(503, "unavailable", f"the rate service failed: {error}") from error
            self.store.save_settings(team, version, "refused" if reasons else "applied", settings, reasons)
            known = self.store.settings_head(team)
        assert known is not None
        verdict = {"status": known["state"], "version": known["version"]}
        return verdict if known["state"] == "applied" else {**verdict, "reasons": known["reasons"]}

    def total(self, body: dict[str, Any]) -> dict[str, Any]:
        """The action `total`."""
        team, given = body.get("team"), body.get("input")
        form = given.get("form") if isinstance(given, dict) else None
        if not isinstance(team, str) or not isinstance(given, dict) or not isinstance(form, str | None):
            problem = {"path": "/form", "message": "must be text"}
            raise Refusal(400, "invalid-input", "input: 1 problem", [problem])
        if self.store.applied_settings(team) is None:
            raise Refusal(409, "not-configured", f"team {team} has no applied settings at this plugin")
        return {"output": self.store.total(team, form)}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Surface
    protocol_version = "HTTP/1.1"
    timeout = SOCKET_DEADLINE_S

    def do_GET(self) -> None:
        """Metadata and health are open to whoever can reach the port."""
        registrar = self.server.registrar
        registered = registrar is not None and registrar.registration is not None
        if self.path == "/healthz":
            self._answer(200, {"status": "ok"})
        elif self.path == "/readyz":
            problem = None if registered else "not registered yet"
            check = {"name": "registration", "critical": True, "problem": problem}
            self._answer(200 if registered else 503, {"ready": registered, "checks": [check]})
        elif self.path == "/metadata":
            self._answer(200, {"id": PLUGIN_ID, **({} if registrar is None else registrar.body)})
        else:
            self._answer(404, Refusal(404, "not-found", f"GET {self.path}").body)

    def do_POST(self) -> None:
        """What changes or reveals something is signed."""
        try:
            body = self._signed_body()
            if self.path == "/initialize":
                self._answer(200, self.server.initialize(body))
            elif self.path == "/actions/total":
                self._answer(200, self.server.total(body))
            else:
                raise Refusal(404, "not-found", f"POST {self.path}")
        except Refusal as refusal:
            self._answer(refusal.status, refusal.body)
        except Exception:
            log.exception("POST %s failed", self.path)
            self._answer(500, Refusal(500, "internal", "an unexpected error").body)

    def _signed_body(self) -> dict[str, Any]:
        length = self.headers.get("content-length") or ""
        # A body that is not read would be taken for the next request.
        self.close_connection = True
        if not (length.isascii() and length.isdigit()):
            raise Refusal(400, "invalid-input", "content-length is needed")
        if int(length) > BODY_BYTES_MAX:
            raise Refusal(413, "too-large", f"the body is over the limit of {BODY_BYTES_MAX} bytes")
        raw = self.rfile.read(int(length))
        self.close_connection = False
        registrar = self.server.registrar
        registration = None if registrar is None else registrar.registration
        if registration is None:
            raise Refusal(503, "unavailable", "the plugin is not registered yet, so it knows no secret")
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        try:
            given = {name: self.headers.get(name) for name in names}
            self.server.signatures.verify(registration.webhook_secret, given, raw)
        except SignatureInvalid as error:
            raise Refusal(401, "signature-invalid", str(error)) from error
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise Refusal(400, "invalid-json", str(error)) from error
        if not isinstance(body, dict):
            raise Refusal(400, "invalid-input", "body: must be an object")
        return body

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json" if status == 200 else "application/problem+json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are logged by level, not on standard error."""
        log.debug(format, *arguments)
