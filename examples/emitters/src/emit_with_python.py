"""Emits events as binary CloudEvents: one JSON object a line on standard input, with the fields of response-event.ts.

    python3 emit_with_python.py <brokers> <topic>
"""

import json
import sys

from confluent_kafka import Producer


def headers(event):
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": event["id"],
        "ce_source": "core",
        "ce_type": event["type"],
        "ce_subject": event["response"],
        "ce_time": event["time"],
        "ce_teamid": event["team"],
        "ce_formid": event["form"],
        "ce_revision": str(event["revision"]),
        "content-type": "application/json",
    }
    return [(name, value.encode()) for name, value in attributes.items()]


def main(brokers, topic):
    producer = Producer(
        {
            "bootstrap.servers": brokers,
            "acks": "all",
            "enable.idempotence": True,
            # librdkafka's own default is not Java's: another writer would put a response's next event elsewhere.
            "partitioner": "murmur2_random",
        }
    )
    failed = []

    def acknowledged(error, _message):
        if error is not None:
            failed.append(error)

    for line in sys.stdin:
        event = json.loads(line)
        value = json.dumps(event["data"], ensure_ascii=False).encode()
        producer.produce(topic, key=event["response"], value=value, headers=headers(event), on_delivery=acknowledged)
        producer.poll(0)
    still_queued = producer.flush(30)
    if failed or still_queued:
        sys.exit(f"{len(failed)} events were refused, {still_queued} not answered for: emit the same events again")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
