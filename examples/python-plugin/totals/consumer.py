"""From the topics of the lanes to a settled delivery.

  read ──► enabled? ──no──► forgotten (`disabled`)
             └─► seen before? ──yes──► `duplicate` | `superseded`
                   └─► handle ──► delivered: effect and identity in one transaction
                             ├──► retry:     put off, until the last attempt
                             └──► rejected, given up: put off with its verdict, dead letter, then settled

A record's offset is stored when its delivery is settled or put off, and committed when the outcomes so far are
acknowledged. Whatever is killed, the record comes again and its identity says what had become of it.
"""

import logging
import random
import threading
import time
from typing import Any

from confluent_kafka import KafkaException, Message

from .handler import Delivered, Rates, Rejected, Retry, handle
from .lanes import Lanes
from .manager import Manager, ManagerError
from .outcomes import Outcomes, timestamp
from .record import Delivery, Malformed, Record, receive
from .settings import PLUGIN_ID, Settings
from .store import Store, Waiting

# Due deliveries between two turns of the lanes: handlers of five seconds stay below Kafka's five minutes between polls.
DUE_MAX = 20
# At 10 KB each, 100 MB of what waits; beyond it nothing new is read.
WAITING_MAX = 10_000
WAIT_S = {"settings": 30.0, "manager": 1.0, "maintenance": 1.0}
# As long as the topic would keep it.
WAIT_AGE_S_MAX = 7 * 86_400
DEAD_LETTER_DELAY_S = 5.0
REASON_LENGTH_MAX = 1_000
CLEAN_EVERY_S = 3_600

log = logging.getLogger("totals.consumer")


class Deliveries:
    """Reads the plugin's lanes and settles what comes; one thread does all of it."""

    def __init__(
        self, settings: Settings, topics: dict[str, str], store: Store, manager: Manager, rates: Rates
    ) -> None:
        self._settings = settings
        self._dead_letter_topic = topics["deadLetter"]
        self._store = store
        self._manager = manager
        self._rates = rates
        self._outcomes = Outcomes(settings.kafka_brokers, settings.deliveries_topic)
        self._committed_at = time.monotonic()
        self._cleaned_at = float("-inf")
        self._lanes = Lanes(settings, topics, on_revoke=self._commit)

    def run(self, stopping: threading.Event) -> None:
        """Works until `stopping`; then what has begun is finished and committed. Anything unexpected is raised."""
        try:
            while not stopping.is_set():
                self._clean()
                self._attempt_due(stopping)
                self._read(stopping)
                if time.monotonic() - self._committed_at >= self._settings.commit_every_ms / 1_000:
                    self._commit()
            self._commit()
        finally:
            self._lanes.close()

    def _read(self, stopping: threading.Event) -> None:
        self._lanes.pause(self._store.waiting_count() >= WAITING_MAX)
        for message in self._lanes.read():
            # What is not done now is read again by whoever gets the partition.
            if stopping.is_set():
                return
            self._take(_record_of(message))
            self._lanes.done(message)

    def _take(self, record: Record) -> None:
        try:
            delivery = receive(record, PLUGIN_ID, self._settings.event_source)
        except Malformed as malformed:
            verdict = {"outcome": None, "reason": malformed.reason, "detail": str(malformed), "attempts": 0}
            self._store.put_off_malformed(record, verdict)
            return
        self._attempt(delivery, None)

    def _attempt(self, delivery: Delivery, entry: Waiting | None) -> None:
        try:
            enablement = self._manager.enablement(delivery)
        except ManagerError as error:
            log.warning("%s", error)
            return self._wait(delivery, entry, "manager")
        if enablement == "disabled":
            self._store.forget(delivery.id)
            return self._outcomes.report(delivery, "disabled", 0, "the team had switched the plugin off")
        if enablement == "waiting":
            return self._wait(delivery, entry, "maintenance")
        team_settings = self._store.applied_settings(delivery.team)
        if enablement == "not-ready" or team_settings is None:
            return self._wait(delivery, entry, "settings")
        refusal = self._store.refusal(delivery, waiting=entry is not None)
        if refusal is not None:
            outcome, reason = refusal
            if outcome == "superseded":
                self._store.settle(delivery, outcome, 0)
            return self._outcomes.report(delivery, outcome, 0, reason)
        self._run(delivery, entry, team_settings)

    def _run(self, delivery: Delivery, entry: Waiting | None, team_settings: dict[str, Any]) -> None:
        attempt = 1 if entry is None else entry.attempts + 1
        history = [] if entry is None else entry.history
        begun = time.monotonic()
        result = handle(delivery, team_settings, self._rates)
        duration_ms = round((time.monotonic() - begun) * 1_000)
        if isinstance(result, Delivered):
            self._store.settle(delivery, "delivered", attempt, result.amount)
            return self._outcomes.report(delivery, "delivered", attempt, None, duration_ms)
        reason = result.reason[:REASON_LENGTH_MAX]
        history = [*history, {"attempt": attempt, "at": timestamp(), "reason": reason}]
        if isinstance(result, Rejected):
            return self._give_up(delivery, "rejected", reason, attempt, history)
        if attempt >= self._settings.retry_attempts_max:
            return self._give_up(delivery, "failed", f"given up after {attempt} attempts: {reason}", attempt, history)
        delay_s = self._delay_s(attempt)
        self._store.put_off(delivery, "retry", delay_s, attempt, history)
        self._outcomes.report(delivery, "retry", attempt, reason, duration_ms, time.time() + delay_s)

    def _delay_s(self, attempt: int) -> float:
        """Doubling, with jitter over the upper half: what failed together does not come back together."""
        full = min(self._settings.retry_delay_ms * 2 ** min(attempt - 1, 32), self._settings.retry_delay_ms_max)
        return full * random.uniform(0.5, 1) / 1_000

    def _wait(self, delivery: Delivery, entry: Waiting | None, waiting_for: str) -> None:
        refusal = self._store.refusal(delivery, waiting=entry is not None)
        if refusal is not None and refusal[0] == "duplicate":
            # A copy of what is settled or waits already must not take its place.
            return self._outcomes.report(delivery, "duplicate", 0, refusal[1])
        attempts, history = (0, []) if entry is None else (entry.attempts, entry.history)
        if entry is not None and time.time() - entry.stored_at > WAIT_AGE_S_MAX:
            return self._give_up(delivery, "failed", f"waited too long (for: {waiting_for})", attempts, history)
        self._store.put_off(delivery, waiting_for, WAIT_S[waiting_for], attempts, history)

    def _give_up(
        self, delivery: Delivery, outcome: str, detail: str, attempts: int, history: list[dict[str, Any]]
    ) -> None:
        verdict = {"outcome": outcome, "reason": outcome, "detail": detail, "attempts": attempts}
        self._store.put_off(delivery, "dead-letter", 0, attempts, history, verdict)

    def _attempt_due(self, stopping: threading.Event) -> None:
        for entry in self._store.due(DUE_MAX):
            if stopping.is_set():
                return
            if entry.verdict is not None:
                self._bury(entry, entry.verdict)
            else:
                self._attempt(receive(entry.record, PLUGIN_ID, self._settings.event_source), entry)

    def _bury(self, entry: Waiting, verdict: dict[str, Any]) -> None:
        """Writes a dead letter, and only then settles the delivery."""
        try:
            self._outcomes.dead_letter(self._dead_letter_topic, entry.record, verdict, entry.history)
        except KafkaException as error:
            log.warning("dead letter not written; its record is kept: %s", error)
            return self._store.postpone(entry.id, DEAD_LETTER_DELAY_S)
        if verdict["outcome"] is None:
            return self._store.forget(entry.id)
        delivery = receive(entry.record, PLUGIN_ID, self._settings.event_source)
        self._store.settle(delivery, verdict["outcome"], verdict["attempts"])
        self._outcomes.report(delivery, verdict["outcome"], verdict["attempts"], verdict["detail"])

    def _commit(self) -> None:
        self._outcomes.flush()
        self._lanes.commit()
        self._committed_at = time.monotonic()

    def _clean(self) -> None:
        if time.monotonic() - self._cleaned_at > CLEAN_EVERY_S:
            self._store.delete_old_identities()
            self._cleaned_at = time.monotonic()


def _record_of(message: Message) -> Record:
    headers = tuple((name, value) for name, value in message.headers() or [] if value is not None)
    place = f"{message.topic()}/{message.partition()}/{message.offset()}"
    return Record(message.key(), message.value(), headers, place)
