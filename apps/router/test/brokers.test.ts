import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { type KafkaCluster, startKafka } from "@plugboard/stack";
import { binaryEvent, header, Installation, type ReadRecord, until } from "./router-harness.ts";

describe("three brokers that fail", () => {
  let kafka: KafkaCluster;
  let at: Installation;
  beforeAll(async () => {
    kafka = await startKafka({ brokers: 3 });
  }, 120_000);
  afterAll(() => kafka.stop());
  afterEach(() => at.close());

  async function routeWhile(settings: Record<string, string>, disturb: () => Promise<void>) {
    at = await new Installation(kafka.brokers, 3).open(["sheets", "sms"], { partitions: 6 });
    at.table.enable("team-1", ["sheets", "sms"]);
    const router = await at.startRouter(settings);
    const sent: string[] = [];
    let sending = true;
    const sender = (async () => {
      while (sending) {
        const ids = Array.from({ length: 50 }, (_, index) => `e-${sent.length + index}`);
        const events = ids.map((id, index) =>
          binaryEvent("team-1", { id, key: `key-${(sent.length + index) % 23}`, revision: sent.length + index + 1 }),
        );
        // What was not acknowledged is sent again; only then is it counted.
        const acknowledged = await at.send(events).then(
          () => true,
          () => false,
        );
        if (acknowledged) sent.push(...ids);
      }
    })();
    const routed = async () =>
      Number(/router_copies_total\{plugin="sheets"[^}]*\} (\d+)/.exec(await router.registry.metrics())?.[1] ?? 0);
    await until("some are routed", async () => (await routed()) > 300);
    await disturb();
    const before = await routed();
    await until("more are routed", async () => (await routed()) > before + 300, 60_000);
    sending = false;
    await sender;
    await until("everything is committed", async () => (await at.uncommitted().catch(() => 1)) === 0, 60_000);
    const all = (records: readonly ReadRecord[]) => {
      const ids = new Set(records.map((record) => header(record, "ce_id")));
      return sent.every((id) => ids.has(id));
    };
    return { sms: await at.read(at.topicOf("sms"), all), sheets: await at.read(at.topicOf("sheets"), all) };
  }

  async function killEach(): Promise<void> {
    for (const broker of [0, 1]) {
      await kafka.kill(broker);
      await kafka.start(broker);
    }
  }

  test("brokers killed in turn: nothing acknowledged is lost", async () => {
    const { sheets, sms } = await routeWhile({}, killEach);
    expect(sheets.length).toBeGreaterThan(0);
    expect(sms.length).toBeGreaterThan(0);
  }, 240_000);

  test("exactly once, brokers killed in turn: no origin is delivered twice", async () => {
    const copies = await routeWhile({ ROUTER_DELIVERY: "exactly-once", ROUTER_INSTANCE_ID: "one" }, killEach);
    for (const records of [copies.sheets, copies.sms]) {
      const origins = records.map((record) => header(record, "pb-origin"));
      expect(new Set(origins).size).toBe(origins.length);
    }
  }, 240_000);
});
