"""The plugin's lanes: a topic, a group and a consumer each, read in turns by weight, so that none waits for ever."""

import logging
from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from .settings import Settings

# At most so many records of each in one turn. 26 handlers of five seconds stay well below Kafka's five minutes between
# two polls.
LANE_RECORDS_MAX = {"priority": 16, "live": 8, "bulk": 2}
POLL_S = 0.2

log = logging.getLogger("totals.lanes")


class Lanes:
    """Reads all lanes from one thread. An offset is committed only after `done` was told of its record."""

    def __init__(self, settings: Settings, topics: dict[str, str], on_revoke: Callable[[], None]) -> None:
        self._lanes = {
            lane: _Lane(settings, lane, topics[lane], records_max, on_revoke)
            for lane, records_max in LANE_RECORDS_MAX.items()
        }
        self._of_topic = {topics[lane]: one for lane, one in self._lanes.items()}

    def read(self) -> Iterator[Message]:
        """One turn; waits a moment where there is nothing."""
        idle = True
        for lane in self._lanes.values():
            for message in lane.read(0):
                idle = False
                yield message
        if idle:
            yield from self._lanes["live"].read(POLL_S)

    def done(self, message: Message) -> None:
        """The record is settled or stored: its offset goes with the next commit."""
        self._of_topic[message.topic()].done(message)

    def pause(self, full: bool) -> None:
        """Nothing new while there is no room."""
        for lane in self._lanes.values():
            lane.pause(full)

    def commit(self) -> None:
        """Commits what is done."""
        for lane in self._lanes.values():
            lane.commit()

    def close(self) -> None:
        """Leaves the groups."""
        for lane in self._lanes.values():
            lane.close()


class _Lane:
    def __init__(
        self, settings: Settings, name: str, topic: str, records_max: int, on_revoke: Callable[[], None]
    ) -> None:
        self._records_max = records_max
        self._uncommitted = False
        self._paused = False
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.kafka_brokers,
                "group.id": settings.group_id if name == "live" else f"{settings.group_id}.{name}",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "session.timeout.ms": settings.session_timeout_ms,
            }
        )
        self._consumer.subscribe(
            [topic], on_assign=self._assigned, on_revoke=lambda _consumer, _partitions: on_revoke()
        )

    def read(self, timeout_s: float) -> Iterator[Message]:
        for message in self._consumer.consume(num_messages=self._records_max, timeout=timeout_s):
            # A lane that an older manager has not made yet is told of here as well, and read once it is there.
            if message.error() is not None:
                log.warning("Kafka: %s", message.error())
                continue
            yield message

    def done(self, message: Message) -> None:
        self._consumer.store_offsets(message)
        self._uncommitted = True

    def pause(self, full: bool) -> None:
        # Only on a change: librdkafka fetches anew after each call, what it had read already as well.
        if full != self._paused:
            (self._consumer.pause if full else self._consumer.resume)(self._consumer.assignment())
        self._paused = full

    def commit(self) -> None:
        if self._uncommitted:
            try:
                self._consumer.commit(asynchronous=False)
            except KafkaException as error:
                # Others may have the partitions by now: what comes again is recognised.
                log.warning("offsets not committed: %s", error)
        self._uncommitted = False

    def close(self) -> None:
        self._consumer.close()

    def _assigned(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._paused = False
