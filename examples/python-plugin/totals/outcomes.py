"""What is written to Kafka: outcomes, and dead letters."""

import json
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from .record import Delivery, Record
from .settings import PLUGIN_ID

SEND_DEADLINE_S = 30
DETAIL_LENGTH_MAX = 1_000
DEAD_LETTERS_KEPT_MS = 30 * 86_400_000
# The largest record of `responses`, room for the router's headers, and for those added here.
DEAD_LETTER_BYTES_MAX = 1024 * 1024 + 64 * 1024 + 16 * 1024


def timestamp(seconds: float | None = None) -> str:
    """ISO 8601, UTC, milliseconds."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Outcomes:
    """One producer for both topics. Nothing is committed before `flush` has returned."""

    def __init__(self, brokers: str, deliveries_topic: str) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": brokers,
                "enable.idempotence": True,
                "acks": "all",
                "delivery.timeout.ms": SEND_DEADLINE_S * 1_000,
                "message.max.bytes": DEAD_LETTER_BYTES_MAX,
                # The core's and the router's: Java's hash, so that a response's records share a partition.
                "partitioner": "murmur2_random",
            }
        )
        self._admin = AdminClient({"bootstrap.servers": brokers})
        self._deliveries_topic = deliveries_topic
        self._ensured: set[str] = set()
        self._failures: list[str] = []

    def report(
        self, delivery: Delivery, outcome: str, attempt: int, reason: str | None, duration_ms: int | None = None,
        retry_at: float | None = None,
    ) -> None:
        """Queues a record of the topic `deliveries`."""
        body = {
            "deliveryId": delivery.id,
            "plugin": PLUGIN_ID,
            "team": delivery.team,
            "event": delivery.event,
            "source": delivery.source,
            "eventId": delivery.event_id,
            "formId": delivery.form_id,
            "responseId": delivery.response_id,
            "revision": delivery.revision,
            "outcome": outcome,
            "attempt": attempt,
            "reason": reason,
            "routeVersion": delivery.route_version,
            "origin": delivery.origin,
            "routedAt": delivery.routed_at,
            "at": timestamp(),
            "durationMs": duration_ms,
            "retryAt": None if retry_at is None else timestamp(retry_at),
        }
        key = delivery.event_id if delivery.response_id is None else delivery.response_id
        headers = [("content-type", b"application/json"), ("pb-plugin", PLUGIN_ID.encode())]
        headers.append(("pb-team", delivery.team.encode()))
        self._send(self._deliveries_topic, key.encode(), json.dumps(body).encode(), headers)

    def dead_letter(self, topic: str, record: Record, verdict: dict[str, Any], history: list[dict[str, Any]]) -> None:
        """Writes a record as it was read, and why it was given up. Raises KafkaException unless acknowledged."""
        self._ensure(topic)
        added = {
            "pb-dead-letter-reason": verdict["reason"],
            "pb-dead-letter-detail": verdict["detail"][:DETAIL_LENGTH_MAX],
            "pb-dead-lettered-at": timestamp(),
            "pb-attempts": str(verdict["attempts"]),
            "pb-error-history": json.dumps([{**one, "reason": one["reason"][:200]} for one in history]),
        }
        headers = [(name, value) for name, value in record.headers if name not in added]
        if record.header("pb-origin") is None:
            headers.append(("pb-origin", record.read_from.encode()))
        headers += [(name, value.encode()) for name, value in added.items()]
        self._send(topic, record.key, record.value, headers)
        self.flush()

    def flush(self) -> None:
        """Waits until everything queued is acknowledged. Raises KafkaException when something was not."""
        left = self._producer.flush(SEND_DEADLINE_S + 1)
        failures, self._failures = self._failures, []
        if left > 0 or failures:
            raise KafkaException(f"{left + len(failures)} records not acknowledged: {failures[:1]}")

    def _send(self, topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        self._producer.produce(topic, value, key, headers=headers, on_delivery=self._sent)
        self._producer.poll(0)

    def _sent(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._failures.append(str(error))

    def _ensure(self, topic: str) -> None:
        if topic in self._ensured:
            return
        if topic not in self._admin.list_topics(timeout=10).topics:
            config = {"retention.ms": str(DEAD_LETTERS_KEPT_MS), "max.message.bytes": str(DEAD_LETTER_BYTES_MAX)}
            spec = NewTopic(topic, num_partitions=1, replication_factor=-1, config=config)
            for created in self._admin.create_topics([spec], request_timeout=10).values():
                try:
                    created.result(15)
                except KafkaException as error:
                    # Another instance was faster.
                    if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                        raise
        self._ensured.add(topic)
