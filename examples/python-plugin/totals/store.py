"""The plugin's own database: settings, identities of deliveries, what waits, and the totals themselves.

SQLite keeps the example small; it serves one process. Several instances need one database between them, or each would
know only the identities of its own partitions.
"""

import base64
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .record import Delivery, Record

# As long as a copy of a delivery may come again: the topics' retention, and redrives of dead letters.
IDENTITY_AGE_S_MAX = 30 * 86_400

SCHEMA = """
CREATE TABLE IF NOT EXISTS team_settings (
  team TEXT PRIMARY KEY, version INTEGER NOT NULL, state TEXT NOT NULL, settings TEXT NOT NULL, reasons TEXT NOT NULL);
-- One row per identity: 'waiting' while a copy stands in retries, 'settled' for good.
CREATE TABLE IF NOT EXISTS deliveries (
  id TEXT PRIMARY KEY, team TEXT NOT NULL, response TEXT, revision INTEGER, state TEXT NOT NULL, outcome TEXT,
  attempts INTEGER NOT NULL DEFAULT 0, changed_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS deliveries_of_response ON deliveries (team, response, revision);
-- Deliveries whose offset has moved on but which are not settled; with a verdict only the dead letter is missing.
CREATE TABLE IF NOT EXISTS retries (
  id TEXT PRIMARY KEY, team TEXT NOT NULL, waiting_for TEXT NOT NULL, due_at REAL NOT NULL, record TEXT NOT NULL,
  history TEXT NOT NULL, verdict TEXT, stored_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS retries_due ON retries (due_at);
-- A ledger: a later revision of a response adds the difference.
CREATE TABLE IF NOT EXISTS entries (
  delivery TEXT NOT NULL, team TEXT NOT NULL, form TEXT, response TEXT NOT NULL, amount REAL NOT NULL);
CREATE INDEX IF NOT EXISTS entries_of_response ON entries (team, response);
"""


@dataclass(frozen=True)
class Waiting:
    """An entry of `retries`."""

    id: str
    record: Record
    attempts: int
    history: list[dict[str, Any]]
    verdict: dict[str, Any] | None
    stored_at: float


class Store:
    """One connection, used by one thread at a time."""

    def __init__(self, path: str) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
        # An offset is committed on the strength of what stands here: it has to be on the disk by then.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(SCHEMA)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _row(self, sql: str, *values: Any) -> Any:
        with self._lock:
            return self._db.execute(sql, values).fetchone()

    # Teams' settings

    def settings_head(self, team: str) -> dict[str, Any] | None:
        """Version, state and reasons of a team's settings."""
        row = self._row("SELECT version, state, reasons FROM team_settings WHERE team = ?", team)
        return None if row is None else {"version": row[0], "state": row[1], "reasons": json.loads(row[2])}

    def applied_settings(self, team: str) -> dict[str, Any] | None:
        """A team's settings; None while they are missing or refused."""
        row = self._row("SELECT settings FROM team_settings WHERE team = ? AND state = 'applied'", team)
        return None if row is None else json.loads(row[0])

    def save_settings(
        self, team: str, version: int, state: str, settings: dict[str, Any], reasons: list[dict[str, str]]
    ) -> None:
        """Keeps the newest version only; what waited for them is due at once."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO team_settings VALUES (?, ?, ?, ?, ?) ON CONFLICT (team) DO UPDATE SET "
                "version = excluded.version, state = excluded.state, settings = excluded.settings, "
                "reasons = excluded.reasons WHERE excluded.version >= team_settings.version",
                (team, version, state, json.dumps(settings), json.dumps(reasons)),
            )
            db.execute("UPDATE retries SET due_at = 0 WHERE team = ? AND waiting_for = 'settings'", (team,))

    # Identities

    def refusal(self, delivery: Delivery, waiting: bool) -> tuple[str, str] | None:
        """Why a delivery is not attempted (outcome, reason); None when it is. `waiting`: it comes from retries."""
        known = self._row("SELECT state, outcome FROM deliveries WHERE id = ?", delivery.id)
        if known is not None and known[0] == "settled":
            return "duplicate", f"its earlier copy: {known[1]}"
        if known is not None and not waiting:
            return "duplicate", "its earlier copy: waiting"
        if delivery.revision is None or delivery.response_id is None:
            return None
        newer = self._row(
            "SELECT max(revision) FROM deliveries WHERE team = ? AND response = ? AND revision > ? "
            "AND outcome = 'delivered'",
            *(delivery.team, delivery.response_id, delivery.revision),
        )[0]
        return None if newer is None else ("superseded", f"revision {newer} had been delivered")

    def settle(self, delivery: Delivery, outcome: str, attempts: int, amount: float | None = None) -> None:
        """Records an end, with its effect, in one transaction: a crash leaves both or neither."""
        with self._transaction() as db:
            if amount is not None:
                of_response = (delivery.team, delivery.response_id)
                before = db.execute(
                    "SELECT coalesce(sum(amount), 0) FROM entries WHERE team = ? AND response = ?", of_response
                ).fetchone()[0]
                entry = (delivery.id, delivery.team, delivery.form_id, delivery.response_id, amount - before)
                db.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", entry)
            self._identity(db, delivery, "settled", outcome, attempts)
            db.execute("DELETE FROM retries WHERE id = ?", (delivery.id,))

    def forget(self, delivery_id: str) -> None:
        """Leaves no identity, so that the delivery may come again: for a team that switched the plugin off."""
        with self._transaction() as db:
            db.execute("DELETE FROM retries WHERE id = ?", (delivery_id,))
            db.execute("DELETE FROM deliveries WHERE id = ? AND state = 'waiting'", (delivery_id,))

    def _identity(
        self, db: sqlite3.Connection, delivery: Delivery, state: str, outcome: str | None, attempts: int
    ) -> None:
        identity = (delivery.id, delivery.team, delivery.response_id, delivery.revision)
        db.execute(
            "INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*identity, state, outcome, attempts, time.time()),
        )

    def delete_old_identities(self) -> None:
        """Bounds the table."""
        with self._transaction() as db:
            oldest = time.time() - IDENTITY_AGE_S_MAX
            db.execute("DELETE FROM deliveries WHERE state = 'settled' AND changed_at < ?", (oldest,))

    # What waits

    def put_off(
        self, delivery: Delivery, waiting_for: str, delay_s: float, attempts: int, history: list[dict[str, Any]],
        verdict: dict[str, Any] | None = None,
    ) -> None:
        """Stores a delivery with its record; from now on its offset may move."""
        with self._transaction() as db:
            self._identity(db, delivery, "waiting", None, attempts)
            self._store_entry(db, delivery.id, delivery.team, waiting_for, delay_s, delivery.record, history, verdict)

    def put_off_malformed(self, record: Record, verdict: dict[str, Any]) -> None:
        """Stores a record that is no event until its dead letter is acknowledged."""
        with self._transaction() as db:
            self._store_entry(db, f"malformed:{record.read_from}", "", "dead-letter", 0, record, [], verdict)

    def _store_entry(
        self, db: sqlite3.Connection, entry_id: str, team: str, waiting_for: str, delay_s: float, record: Record,
        history: list[dict[str, Any]], verdict: dict[str, Any] | None,
    ) -> None:
        now = time.time()
        row = (entry_id, team, waiting_for, now + delay_s, _record_text(record), json.dumps(history))
        db.execute(
            "INSERT INTO retries VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "waiting_for = excluded.waiting_for, due_at = excluded.due_at, history = excluded.history, "
            "verdict = excluded.verdict",
            (*row, json.dumps(verdict), now),
        )

    def postpone(self, entry_id: str, delay_s: float) -> None:
        """For a dead letter that could not be written."""
        with self._transaction() as db:
            db.execute("UPDATE retries SET due_at = ? WHERE id = ?", (time.time() + delay_s, entry_id))

    def due(self, limit: int) -> list[Waiting]:
        """What is due, the longest due first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT r.id, r.record, coalesce(d.attempts, 0), r.history, r.verdict, r.stored_at FROM retries r "
                "LEFT JOIN deliveries d ON d.id = r.id WHERE r.due_at <= ? ORDER BY r.due_at LIMIT ?",
                (time.time(), limit),
            ).fetchall()
        return [
            Waiting(entry_id, _record(record), attempts, json.loads(history), json.loads(verdict), stored_at)
            for entry_id, record, attempts, history, verdict, stored_at in rows
        ]

    def waiting_count(self) -> int:
        """How many deliveries wait."""
        return int(self._row("SELECT count(*) FROM retries")[0])

    # Totals

    def total(self, team: str, form: str | None) -> dict[str, Any]:
        """The sum over a team's responses, of one form or of all."""
        row = self._row(
            "SELECT coalesce(sum(amount), 0), count(DISTINCT response) FROM entries WHERE team = ? AND ? IN (form, '')",
            *(team, form or ""),
        )
        return {"total": row[0], "responses": row[1]}


def _record_text(record: Record) -> str:
    def encoded(value: bytes | None) -> str | None:
        return None if value is None else base64.b64encode(value).decode()

    headers = [[name, encoded(value)] for name, value in record.headers]
    body = {"key": encoded(record.key), "value": encoded(record.value), "headers": headers}
    return json.dumps({**body, "readFrom": record.read_from})


def _record(text: str) -> Record:
    def decoded(value: str | None) -> bytes | None:
        return None if value is None else base64.b64decode(value)

    body = json.loads(text)
    headers = tuple((name, base64.b64decode(value)) for name, value in body["headers"])
    return Record(decoded(body["key"]), decoded(body["value"]), headers, body["readFrom"])
