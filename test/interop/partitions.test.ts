import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { deliveryId } from "@plugboard/contract";
import { PlugboardUnderTest } from "../plugboard-under-test.ts";
import type { TopicReader } from "../topic-reader.ts";
import { JavaSteps } from "./java-steps.ts";
import { type JavaTools, javaTools } from "./java-tools.ts";

const TEAM = "team-partitions";
const KEYS = 3_000;
/** Another virtual machine and a router have to start, on a busy machine too. */
const SLOW_MS = 180_000;
/** `responses` has 3 partitions in these tests. */
const PARTITIONS = { prime: 7, many: 32 };

const java = await javaTools();
if (typeof java === "string") process.stderr.write(`test/interop/partitions.test.ts skips: ${java}\n`);
const withJava = typeof java === "string" ? describe.skip : describe;

/** Of every length that murmur2 treats differently, in every script, and bytes that are no text. */
function someKeys(): Buffer[] {
  const odd = ["", "a", "ab", "abc", "abcd", "réponse", "日本", "\u{1f600}", "0"].map((text) => Buffer.from(text));
  const binary = Array.from({ length: KEYS - odd.length }, (_, index) => randomBytes(1 + (index % 40)));
  return [...odd, ...binary];
}

withJava("a key's partition is the one that Java's producer chooses", () => {
  const keys = someKeys();
  let plugboard: PlugboardUnderTest;
  let readers: ReadonlyMap<string, TopicReader>;
  let chosen: Record<keyof typeof PARTITIONS | "responses", number[]>;

  beforeAll(async () => {
    (java as JavaTools).warmUp();
    plugboard = await PlugboardUnderTest.open();
    for (const [plugin, count] of Object.entries(PARTITIONS)) {
      await plugboard.register(plugin);
      await plugboard.admin.createPartitions({
        topicPartitions: [{ topic: topicOf(plugin), count }],
      });
    }
    const topics = [plugboard.responses, topicOf("prime"), topicOf("many")];
    const [choices, followed] = await Promise.all([
      Promise.all(topics.map(javaChoices)),
      Promise.all(topics.map((topic) => plugboard.follow(topic))),
      startRouter(),
    ]);
    const [responses = [], prime = [], many = []] = choices;
    chosen = { responses, prime, many };
    readers = new Map(topics.map((topic, index) => [topic, followed[index] as TopicReader]));
  }, SLOW_MS);

  afterAll(async () => {
    await Promise.all([plugboard?.close(), (java as JavaTools).close()]);
  }, 60_000);

  const topicOf = (plugin: string) => `${plugboard.name}.plugin.${plugin}`;

  async function startRouter(): Promise<void> {
    for (const plugin of Object.keys(PARTITIONS)) await plugboard.enable(TEAM, plugin);
    await plugboard.startRouter();
  }

  /** Has Java write every key, of a team that nobody routes for. */
  async function javaChoices(topic: string): Promise<number[]> {
    const steps = new JavaSteps(topic, "team-nobody");
    steps.open({ "linger.ms": "20" });
    keys.forEach((key, index) => {
      steps.send(`java-${index}`, key, null, []);
    });
    steps.close();
    return await steps.run(java as JavaTools);
  }

  /** Where each key's record stands, by an id in its headers. */
  async function placesIn(topic: string, header: string, ids: readonly string[]): Promise<(number | undefined)[]> {
    const reader = readers.get(topic) as TopicReader;
    const places = new Map<string, number>();
    let read = 0;
    await reader.until(`${ids.length} keys`, () => {
      for (; read < reader.records.length; read += 1) {
        const record = reader.records[read];
        const id = record?.headers?.[header]?.toString();
        if (record !== undefined && id !== undefined) places.set(id, record.partition);
      }
      return ids.every((id) => places.has(id));
    });
    return ids.map((id) => places.get(id));
  }

  test(
    "by the safe producer, and by the router for copies, whatever the partition counts",
    async () => {
      await plugboard.producer.send(
        plugboard.responses,
        keys.map((key, index) => ({
          key,
          value: "{}",
          headers: { ce_id: `ours-${index}`, ce_source: "core", ce_type: "onResponse", ce_teamid: TEAM },
        })),
      );
      const ours = keys.map((_, index) => `ours-${index}`);
      expect(await placesIn(plugboard.responses, "ce_id", ours)).toEqual(chosen.responses);
      for (const plugin of ["prime", "many"] as const) {
        const copies = ours.map((id) => deliveryId(TEAM, plugin, "core", id));
        expect(await placesIn(topicOf(plugin), "pb-delivery-id", copies)).toEqual(chosen[plugin]);
        expect(new Set(chosen[plugin]).size).toBe(PARTITIONS[plugin]);
      }
    },
    SLOW_MS,
  );
});
