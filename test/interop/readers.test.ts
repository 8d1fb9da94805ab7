import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Consumer } from "@platformatic/kafka";
import { deliveryId } from "@plugboard/contract";
import { testEnvironment, uniqueName } from "@plugboard/stack";
import { PlugboardUnderTest } from "../plugboard-under-test.ts";
import { headerOf } from "../topic-reader.ts";
import { type JavaTools, javaTools } from "./java-tools.ts";

const TEAM = "team-readers";
const PLUGIN = "sink";
const TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/** Java starts slowly on a busy machine. */
const SLOW_MS = 180_000;
const RESPONSES = ["r-1", "r-2", "日本"];
const REVISIONS = [1, 2, 3];
const DELIVERY = ["id", "plugin", "team", "event", "route-version", "routed-at", "origin"].map((name) =>
  name === "id" ? "pb-delivery-id" : `pb-${name}`,
);

/** A record as any of the readers saw it; headers in their order. */
interface Seen {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly value: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

const java = await javaTools();
if (typeof java === "string") process.stderr.write(`test/interop/readers.test.ts skips: ${java}\n`);
const withJava = typeof java === "string" ? test.skip : test;
const brokers = testEnvironment().kafkaBrokers;

describe("a plugin's topic is read, value, key, headers and order, by", () => {
  let plugboard: PlugboardUnderTest;
  let topic: string;
  const written = REVISIONS.flatMap((revision) =>
    RESPONSES.map((response) => ({
      id: `${response}.${revision}`,
      response,
      value: JSON.stringify({ answers: { revision, text: "Zoë\n\t日本" } }, null, 2),
    })),
  );

  beforeAll(async () => {
    if (typeof java !== "string") java.warmUp();
    plugboard = await PlugboardUnderTest.open();
    topic = `${plugboard.name}.plugin.${PLUGIN}`;
    await plugboard.register(PLUGIN);
    await plugboard.enable(TEAM, PLUGIN);
    await plugboard.startRouter();
    for (const { id, response, value } of written) {
      const headers = { ce_id: id, ce_source: "core", ce_type: "onResponse", ce_teamid: TEAM, ce_subject: response };
      await plugboard.producer.send(plugboard.responses, [
        { key: response, value, headers: { ...headers, traceparent: TRACE, own: ["1", "2"] } },
      ]);
    }
    const reader = await plugboard.followPlugin(PLUGIN);
    await reader.has(written.map(({ id }) => deliveryId(TEAM, PLUGIN, "core", id)));
  }, 120_000);

  afterAll(async () => {
    await Promise.all([plugboard?.close(), typeof java === "string" ? undefined : java.close()]);
  }, 60_000);

  function expectAll(seen: readonly Seen[]): void {
    const byId = new Map(seen.map((record) => [Object.fromEntries(record.headers).ce_id, record]));
    expect(seen).toHaveLength(written.length);
    for (const { id, response, value } of written) {
      const record = byId.get(id);
      expect([record?.key, record?.value]).toEqual([response, value]);
      expect(record?.headers.slice(0, 8)).toEqual([
        ["ce_id", id],
        ["ce_source", "core"],
        ["ce_type", "onResponse"],
        ["ce_teamid", TEAM],
        ["ce_subject", response],
        ["traceparent", TRACE],
        ["own", "1"],
        ["own", "2"],
      ]);
      const own = Object.fromEntries(record?.headers.slice(8) ?? []);
      expect(Object.keys(own).toSorted()).toEqual(DELIVERY.toSorted());
      expect(own).toMatchObject({
        "pb-delivery-id": deliveryId(TEAM, PLUGIN, "core", id),
        "pb-plugin": PLUGIN,
        "pb-team": TEAM,
        "pb-event": "onResponse",
      });
    }
    for (const response of RESPONSES) {
      const its = seen.filter(({ key }) => key === response).toSorted((a, b) => a.offset - b.offset);
      expect(new Set(its.map(({ partition }) => partition)).size).toBe(1);
      expect(its.map(({ headers }) => Object.fromEntries(headers).ce_id)).toEqual(
        REVISIONS.map((revision) => `${response}.${revision}`),
      );
    }
  }

  test("kafkajs", async () => {
    const reader = await plugboard.followPlugin(PLUGIN);
    await reader.until("all of it", () => reader.records.length >= written.length);
    expectAll(
      reader.records.map((record) => ({
        partition: record.partition,
        offset: Number(record.offset),
        key: String(record.key),
        value: String(record.value),
        headers: Object.entries(record.headers ?? {}).flatMap(([name, value]) =>
          [value].flat().map((one) => [name, String(one)] as const),
        ),
      })),
    );
    expect(headerOf(reader.records[0], "pb-origin")).toMatch(new RegExp(`^${plugboard.responses}/\\d+/\\d+$`));
  });

  test("@platformatic/kafka", async () => {
    const consumer = new Consumer({
      clientId: "reader",
      groupId: uniqueName("reader"),
      bootstrapBrokers: brokers.split(","),
    });
    const seen: Seen[] = [];
    try {
      const stream = await consumer.consume({ topics: [topic], mode: "earliest", autocommit: false });
      for await (const { partition, offset, key, value, headers } of stream) {
        const own = [...headers].map(([name, header]) => [String(name), String(header)] as const);
        seen.push({ partition, offset: Number(offset), key: String(key), value: String(value), headers: own });
        if (seen.length === written.length) break;
      }
    } finally {
      await consumer.close(true);
    }
    // Its headers are a Map by name objects, so repeated ones stay apart.
    expectAll(seen);
  });

  withJava(
    "Java's consumer",
    async () => {
      const args = [brokers, topic, String(written.length)];
      const output = await (java as JavaTools).run("Consume", args);
      const text = (base64: string) => Buffer.from(base64, "base64").toString();
      expectAll(
        output
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as Seen)
          .map(({ key, value, headers, ...place }) => ({
            ...place,
            key: text(key),
            value: text(value),
            headers: headers.map(([name, header]) => [name, text(header)] as const),
          })),
      );
    },
    SLOW_MS,
  );

  withJava(
    "kafka-console-consumer",
    async () => {
      // Whatever may stand in a value stands between these.
      const [field, line] = ["␟", "␞"];
      const show = ["headers", "key", "partition", "offset"].flatMap((what) => ["--property", `print.${what}=true`]);
      const separators = ["key.separator", "line.separator", "headers.separator"].flatMap((name, index) => [
        "--property",
        `${name}=${[field, line, "␝"][index]}`,
      ]);
      const what = ["--topic", topic, "--from-beginning", "--max-messages", String(written.length)];
      const output = await (java as JavaTools).run("org.apache.kafka.tools.consumer.ConsoleConsumer", [
        ...["--bootstrap-server", brokers, "--timeout-ms", "30000"],
        ...what,
        ...show,
        ...separators,
      ]);
      const rows = output.split(line).filter((row) => row.trim() !== "");
      expectAll(
        rows.map((row) => {
          const [partition = "", offset = "", headers = "", key = "", value = ""] = row.split(field);
          return {
            partition: Number(partition.replace("Partition:", "")),
            offset: Number(offset.replace("Offset:", "")),
            headers: headers.split("␝").map((one) => {
              const colon = one.indexOf(":");
              return [one.slice(0, colon), one.slice(colon + 1)] as const;
            }),
            key,
            value,
          };
        }),
      );
    },
    SLOW_MS,
  );
});
