import { describe, expect, test } from "@jest/globals";
import { kafkaProperties, metaProperties, singleBroker } from "../src/kafka-properties.ts";

describe("the properties of a broker", () => {
  test("on its own keep everything once", () => {
    const lines = kafkaProperties(singleBroker({ brokerPort: 1001, controllerPort: 1002, dataDirectory: "/d" })).split(
      "\n",
    );
    expect(lines).toEqual(
      expect.arrayContaining([
        "controller.quorum.voters=1@127.0.0.1:1002",
        "advertised.listeners=PLAINTEXT://127.0.0.1:1001",
        "auto.create.topics.enable=false",
        "group.initial.rebalance.delay.ms=0",
        "min.insync.replicas=1",
        "offsets.topic.replication.factor=1",
        "log.dirs=/d",
      ]),
    );
  });

  test("of three keep everything three times and write to two at least", () => {
    const cluster = [1, 2, 3].map((id) => ({ id, controllerPort: 2000 + id }));
    const lines = kafkaProperties({
      id: 2,
      brokerPort: 1002,
      controllerPort: 2002,
      dataDirectory: "/d",
      cluster,
    }).split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        "node.id=2",
        "controller.quorum.voters=1@127.0.0.1:2001,2@127.0.0.1:2002,3@127.0.0.1:2003",
        "default.replication.factor=3",
        "min.insync.replicas=2",
        "transaction.state.log.min.isr=2",
      ]),
    );
  });

  test("and the mark of a formatted directory names node, cluster and directory", () => {
    expect(metaProperties(3, "c", "d")).toBe("version=1\ncluster.id=c\nnode.id=3\ndirectory.id=d\n");
  });
});
