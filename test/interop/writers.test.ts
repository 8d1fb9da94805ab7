import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { compatibilityPartitioner, Producer as PlatformaticProducer } from "@platformatic/kafka";
import { DEAD_LETTER_HEADER, deadLetterTopic, decodeEvent } from "@plugboard/contract";
import { headerReader } from "@plugboard/kafka";
import { projectRoot, supervise, testEnvironment, uniqueName, waitUntil } from "@plugboard/stack";
import { Kafka, logLevel, type Producer } from "kafkajs";
import { emitWithCloudEvents } from "../../examples/emitters/src/emit-with-cloudevents.ts";
import { emitWithKafkajs, kafkajsProducer } from "../../examples/emitters/src/emit-with-kafkajs.ts";
import { emitWithPlatformatic, platformaticProducer } from "../../examples/emitters/src/emit-with-platformatic.ts";
import type { ResponseEvent } from "../../examples/emitters/src/response-event.ts";
import type { PlugboardUnderTest } from "../plugboard-under-test.ts";
import { findPythonWithKafka, PYTHON_MISSING } from "../python-with-kafka.ts";
import { headerOf, type TopicReader } from "../topic-reader.ts";
import { JavaSteps } from "./java-steps.ts";
import { type JavaTools, javaTools } from "./java-tools.ts";
import { CODECS, LONG_VALUE, oddRecords } from "./odd-records.ts";
import { digestOf, RoutedCopies } from "./routed-copies.ts";

const TEAM = "team-interop";
/** For what another program has to be started for, and on a busy machine. */
const SLOW_MS = 180_000;

const java = await javaTools();
const withJava = typeof java === "string" ? skipSaying(java) : test;
const python = await findPythonWithKafka();
const withPython = python === null ? skipSaying(PYTHON_MISSING) : test;

function skipSaying(why: string): typeof test.skip {
  process.stderr.write(`test/interop/writers.test.ts skips: ${why}\n`);
  return test.skip;
}

const brokers = testEnvironment().kafkaBrokers;

describe("a core writes responses with", () => {
  let copies: RoutedCopies;
  let plugboard: PlugboardUnderTest;
  let letters: TopicReader;
  let kafkajs: Producer;

  beforeAll(async () => {
    if (typeof java !== "string") java.warmUp();
    kafkajs = kafkajsProducer(new Kafka({ brokers: brokers.split(","), logLevel: logLevel.NOTHING }));
    [copies] = await Promise.all([RoutedCopies.open(TEAM, "sink"), kafkajs.connect()]);
    plugboard = copies.plugboard;
    letters = await plugboard.followDeadLetters();
  }, SLOW_MS);

  afterAll(async () => {
    await Promise.all([kafkajs?.disconnect(), copies?.close(), typeof java === "string" ? undefined : java.close()]);
    if (python?.directory) rmSync(python.directory, { recursive: true, force: true });
  }, 60_000);

  /** Two revisions of a response that is the same one whoever writes it. */
  const eventsOf = (writer: string): ResponseEvent[] =>
    [1, 2].map((revision) => ({
      id: `${writer}-${revision}`,
      type: "onResponse",
      team: TEAM,
      form: "form-1",
      response: "réponse-日本-1",
      revision,
      time: "2026-11-01T08:00:00Z",
      data: { answers: { name: "Zoë", city: "São Paulo", age: 41, writer } },
    }));

  /** What a plugin makes of the copies is what the core meant, in order, and all writers agree on the partition. */
  async function arrive(events: readonly ResponseEvent[]): Promise<void> {
    const found = await copies.of(events.map(({ id }) => id));
    expect(found.map(({ key }) => key?.toString())).toEqual(events.map(({ response }) => response));
    const read = found.map((copy) => decodeEvent(headerReader(copy.headers), copy.value, "core"));
    expect(read.map((event) => (event.kind === "event" ? [event.attributes, event.data()] : event))).toEqual(
      events.map(({ id, type, team, form, response, revision, time, data }) => [
        { id, source: "core", type, teamId: team, formId: form, responseId: response, revision, time, priority: null },
        data,
      ]),
    );
    const all = copies.all.filter((copy) => copy.key?.toString() === events[0]?.response);
    expect(new Set(all.map(({ partition }) => partition)).size).toBe(1);
    const positions = found.map((copy) => copies.all.indexOf(copy));
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
  }

  test("kafkajs", async () => {
    const events = eventsOf("kafkajs");
    for (const event of events) await emitWithKafkajs(kafkajs, plugboard.responses, event);
    await arrive(events);
  });

  test("@platformatic/kafka", async () => {
    const producer = platformaticProducer({ clientId: "core", bootstrapBrokers: brokers.split(",") });
    try {
      const events = eventsOf("platformatic");
      await emitWithPlatformatic(producer, plugboard.responses, events);
      await arrive(events);
    } finally {
      await producer.close(true);
    }
  });

  test.each(["binary", "structured"] as const)("the CloudEvents SDK, %s", async (mode) => {
    const events = eventsOf(`cloudevents-${mode}`).map((event) => ({ ...event, time: "2026-11-01T08:00:00.000Z" }));
    for (const event of events) await emitWithCloudEvents(kafkajs, plugboard.responses, event, mode);
    await arrive(events);
  });

  withJava("Java's producer", async () => {
    const events = eventsOf("java");
    const lines = events.map((event) => `${JSON.stringify(event)}\n`).join("");
    await (java as JavaTools).run("EmitWithJava", [brokers, plugboard.responses], lines);
    await arrive(events);
  });

  withPython("Python's confluent_kafka", async () => {
    const events = eventsOf("python");
    const lines = events.map((event) => `${JSON.stringify(event)}\n`).join("");
    const running = promisify(execFile)(
      python?.command ?? "",
      [join(projectRoot(), "examples/emitters/src/emit_with_python.py"), brokers, plugboard.responses],
      { env: { ...process.env, ...python?.env }, timeout: SLOW_MS },
    );
    running.child.stdin?.end(lines);
    await running;
    await arrive(events);
  });

  test("flat JSON and nothing else", async () => {
    const flat = { id: "flat-1", team_id: TEAM, event: "onResponse", response_id: 17, data: { answers: { a: "ü" } } };
    await kafkajs.send({
      topic: plugboard.responses,
      messages: [{ key: "17", value: JSON.stringify(flat, null, 2) }],
    });
    const [copy] = await copies.of(["flat-1"]);
    expect(copy?.value?.toString()).toBe(JSON.stringify(flat, null, 2));
    expect(headerOf(copy, "pb-team")).toBe(TEAM);
  });

  withJava("Java's producer and every codec, whatever the records are like", async () => {
    const steps = new JavaSteps(plugboard.responses, TEAM);
    for (const codec of CODECS) {
      steps.open({ "compression.type": codec, "linger.ms": "50", "enable.idempotence": "true", acks: "all" });
      for (const { id, key, value, own } of oddRecords(codec)) steps.send(id, key, value, own);
      steps.close();
    }
    await steps.run(java as JavaTools);
    const records = CODECS.flatMap(oddRecords);
    const found = await copies.of(records.map(({ id }) => id));
    expect(found.map(({ key }) => key)).toEqual(records.map(({ key }) => key));
    expect(found.map(({ value }) => digestOf(value))).toEqual(records.map(({ value }) => digestOf(value)));
    const twice = found.filter((_, index) => records[index]?.id.endsWith("-twice"));
    expect(twice.map((copy) => [copy.headers?.x].flat().map(String))).toEqual(CODECS.map(() => ["1", "2", "2"]));
  });

  test("@platformatic/kafka and every codec", async () => {
    const producer = new PlatformaticProducer({
      clientId: "core",
      bootstrapBrokers: brokers.split(","),
      partitioner: compatibilityPartitioner,
    });
    try {
      for (const compression of CODECS) {
        const headers = (id: string) => ({ ce_id: id, ce_source: "core", ce_type: "onResponse", ce_teamid: TEAM });
        await producer.send({
          compression,
          messages: ["a", "b"].map((name) => ({
            topic: plugboard.responses,
            key: Buffer.from(name),
            value: LONG_VALUE,
            headers: new Map(
              Object.entries(headers(`platformatic-${compression}-${name}`)).map(([header, text]) => [
                Buffer.from(header),
                Buffer.from(text),
              ]),
            ),
          })),
        });
      }
    } finally {
      await producer.close(true);
    }
    await copies.of(CODECS.flatMap((codec) => [`platformatic-${codec}-a`, `platformatic-${codec}-b`]));
  });

  withJava("Java's transactions: what was aborted is never routed", async () => {
    const steps = new JavaSteps(plugboard.responses, TEAM);
    steps.open({ "transactional.id": uniqueName("core"), "compression.type": "lz4" });
    const committed: string[] = [];
    const aborted: string[] = [];
    for (const round of [1, 2, 3, 4]) {
      const [kind, ids] = round % 2 === 0 ? (["commit", committed] as const) : (["abort", aborted] as const);
      steps.step({ do: "begin" });
      for (const at of ["p", "q", "r", "s"]) {
        ids.push(`${kind}-${round}-${at}`);
        steps.send(ids.at(-1) ?? "", Buffer.from(at), Buffer.from("{}"), []);
      }
      steps.step({ do: kind });
    }
    steps.close();
    await steps.run(java as JavaTools);
    await copies.of(committed);
    // The offsets of markers are committed too: a router that stopped before one would never be done.
    await plugboard.drained();
    await plugboard.emit([{ team: TEAM, id: "after-all", response: "p" }]);
    await copies.of(["after-all"], "e2e");
    const routed = copies.all.map((copy) => headerOf(copy, "pb-delivery-id"));
    expect(aborted.filter((id) => routed.includes(copies.deliveryOf(id)))).toEqual([]);
    expect(aborted).toHaveLength(8);
  });

  withJava("CloudEvents' serializer for Java, binary, structured and with data_base64", async () => {
    const data = { answers: { name: "Zoë" } };
    await (java as JavaTools).run("ProduceCloudEvents", [brokers, plugboard.responses, TEAM], JSON.stringify(data));
    const found = await copies.of(["java-binary", "java-structured", "java-base64"]);
    const read = found.map((copy) => decodeEvent(headerReader(copy.headers), copy.value, "core"));
    expect(read.map((event) => (event.kind === "event" ? [event.envelope, event.data()] : event))).toEqual([
      ["binary", data],
      ["structured", data],
      ["structured", data],
    ]);
  });

  test("no event in it: the record becomes a dead letter that says why", async () => {
    await kafkajs.send({
      topic: plugboard.responses,
      messages: [
        { key: "tombstone", value: null },
        { key: "no-team", value: "{}", headers: { ce_id: "1", ce_type: "onResponse", ce_source: "core" } },
      ],
    });
    await letters.until("two dead letters", () => letters.records.length >= 2);
    const reasons = letters.records.map((letter) => [
      letter.key?.toString(),
      headerOf(letter, DEAD_LETTER_HEADER.reason),
      headerOf(letter, DEAD_LETTER_HEADER.detail),
    ]);
    expect(reasons.toSorted()).toEqual([
      ["no-team", "no-team", "ce_teamid: is missing"],
      ["tombstone", "empty", "the record has neither ce_* headers nor a value"],
    ]);
  });

  withJava(
    "nothing that is an event, and an operator looks at it as the document says",
    async () => {
      const topic = deadLetterTopic(plugboard.responses);
      const page = readFileSync(join(projectRoot(), "docs/emit-from-your-core.md"), "utf8");
      const [, line = ""] = /^```sh\n(kafka-console-consumer[^`]*)^```$/m.exec(page) ?? [];
      expect(line).toContain(" --topic responses.dlq ");
      const directory = mkdtempSync(join(tmpdir(), "kafka-tools-"));
      const script = (java as JavaTools).scriptOf("org.apache.kafka.tools.consumer.ConsoleConsumer");
      writeFileSync(join(directory, "kafka-console-consumer"), script, { mode: 0o755 });
      await kafkajs.send({ topic: plugboard.responses, messages: [{ key: "looked-at", value: "no event" }] });
      const shell = await supervise({
        command: "/bin/sh",
        args: ["-c", line.replace("responses.dlq", topic)],
        env: { ...process.env, KAFKA_BROKERS: brokers, PATH: `${directory}${delimiter}${process.env.PATH}` },
        output: "pipe",
      });
      try {
        let shown = "";
        for (const stream of [shell.child.stdout, shell.child.stderr])
          stream?.setEncoding("utf8").on("data", (text: string) => {
            shown += text;
          });
        const row = await waitUntil(
          "the dead letter is shown",
          SLOW_MS / 2,
          () => /^.*\tlooked-at\t.*$/m.exec(shown)?.[0],
        );
        expect(row).toMatch(/pb-dead-letter-reason:not-json\b/);
        expect(row).toMatch(new RegExp(`pb-origin:${plugboard.responses}/\\d+/\\d+`));
        expect(row).toMatch(/\tno event$/);
      } finally {
        // The shell and what it has started.
        process.kill(-shell.pid, "SIGKILL");
        rmSync(directory, { recursive: true, force: true });
      }
    },
    SLOW_MS,
  );
});
