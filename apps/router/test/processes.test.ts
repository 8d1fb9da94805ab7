import { beforeEach, describe, expect, test } from "@jest/globals";
import { type ServiceProcess, startProcess } from "@plugboard/stack";
import { binaryEvent, header, type Installation, idsOf, type ReadRecord, until } from "./router-harness.ts";
import { RouterProcesses } from "./router-processes.ts";

describe("routers as processes, with the real routing table", () => {
  const routers = new RouterProcesses({ partitions: 6 });
  const { manager } = routers;
  let at: Installation;
  beforeEach(() => {
    at = routers.at;
  });

  async function start(overrides: Record<string, string> = {}, ready = true): Promise<ServiceProcess> {
    const process = await routers.start(overrides);
    if (ready) await process.waitForLog(assigned(), 30_000);
    return process;
  }

  /** The router's log line of the partitions of `responses`, and not of the parking topic, that it got. */
  function assigned(partitions = "[\\d,]*", times = 1): RegExp {
    const line = `"group":"${at.group}","memberId":"[^"]*","generationId":\\d+,"partitions":\\[${partitions}\\]`;
    return new RegExp(`(${line}[\\s\\S]*){${times}}`);
  }

  /** Sends all the while that `disturb` runs, then waits until everything is routed. */
  async function sendWhile(disturb: () => Promise<void>): Promise<{ sent: number; copies: ReadRecord[] }> {
    let sent = 0;
    let sending = true;
    const sender = (async () => {
      while (sending) {
        const keys = Array.from({ length: 50 }, (_, index) => sent + index);
        await at.send(keys.map((n) => binaryEvent("team-1", { id: `e-${n}`, key: `key-${n % 23}`, revision: n + 1 })));
        sent += keys.length;
      }
    })();
    await until("some are routed", async () => (await countOf(at.topicOf("sheets"))) > 200);
    await disturb();
    const before = await countOf(at.topicOf("sheets"));
    await until("more are routed", async () => (await countOf(at.topicOf("sheets"))) > before + 200);
    sending = false;
    await sender;
    await at.drained();
    const all = (records: readonly ReadRecord[]) =>
      new Set(records.map((record) => header(record, "ce_id"))).size >= sent;
    return { sent, copies: await at.read(at.topicOf("sheets"), all) };
  }

  async function countOf(topic: string): Promise<number> {
    return (await at.admin.fetchTopicOffsets(topic)).reduce((sum, { high }) => sum + Number(high), 0);
  }

  test("Redis flushed, killed and back mid-stream: everything is routed, once", async () => {
    const router = await start();
    const callsBefore = manager.calls;
    const { redis } = routers;
    const { sent, copies } = await sendWhile(async () => {
      await manager.flush(redis.url);
      await until("the manager is asked", () => manager.calls > callsBefore);
      await redis.kill();
      const afterKill = manager.calls;
      await until("the manager is asked again", () => manager.calls > afterKill);
      await redis.start();
      await manager.publish(redis.url, at.name);
    });
    expect(copies).toHaveLength(sent);
    await router.kill();
    expect(await router.exited).toBe(0);
    expect(router.logs()).toMatch(/draining/);
  });

  test("kill -9 of one of two loses nothing, and its partitions move on", async () => {
    const first = await start();
    await start();
    const { sent, copies } = await sendWhile(() => first.kill("SIGKILL"));
    expect(new Set(copies.map((copy) => header(copy, "ce_id"))).size).toBe(sent);
  });

  test("exactly once: kill -9 in the middle and a start under the same id double nothing", async () => {
    const settings = { ROUTER_DELIVERY: "exactly-once", ROUTER_INSTANCE_ID: "one" };
    let router = await start(settings);
    const { sent, copies } = await sendWhile(async () => {
      for (let round = 0; round < 3; round += 1) {
        await router.kill("SIGKILL");
        router = await start(settings);
        const before = await countOf(at.topicOf("sheets"));
        await until("it routes", async () => (await countOf(at.topicOf("sheets"))) > before + 50);
      }
    });
    expect(new Set(copies.map((copy) => header(copy, "ce_id"))).size).toBe(sent);
    expect(copies).toHaveLength(sent);
  });

  test("exactly once: a router frozen past its session, whose partitions moved, doubles nothing when it wakes", async () => {
    const frozen = await start({ ROUTER_DELIVERY: "exactly-once", ROUTER_INSTANCE_ID: "frozen" });
    const other = await start({ ROUTER_DELIVERY: "exactly-once", ROUTER_INSTANCE_ID: "other" });
    const { sent, copies } = await sendWhile(async () => {
      frozen.signal("SIGSTOP");
      await other.waitForLog(assigned("0,1,2,3,4,5"), 40_000);
      const before = await countOf(at.topicOf("sheets"));
      await until("the other routes", async () => (await countOf(at.topicOf("sheets"))) > before + 50);
      frozen.signal("SIGCONT");
      await frozen.waitForLog(assigned(undefined, 3), 30_000);
    });
    expect(new Set(copies.map((copy) => header(copy, "ce_id"))).size).toBe(sent);
    expect(copies).toHaveLength(sent);
  }, 120_000);

  test.each(["at-least-once", "exactly-once"])(
    "kill -9 and SIGTERM while parked copies go back lose none, and keep each key's order (%s)",
    async (delivery) => {
      const settings = { ROUTER_DELIVERY: delivery, ROUTER_INSTANCE_ID: "one" };
      // The first one makes the parking topic.
      await (await start(settings)).kill();
      const topic = at.topicOf("sheets");
      const total = 36_000;
      for (let from = 0; from < total; from += 1_000)
        await at.send(
          Array.from({ length: 1_000 }, (_, index) =>
            binaryEvent("team-1", {
              id: `p-${from + index}`,
              key: `key-${(from + index) % 23}`,
              revision: from + index + 1,
              headers: { "pb-parked-target": topic },
              value: "x".repeat(400),
            }),
          ),
          at.parked,
        );
      for (const signal of ["SIGKILL", "SIGTERM", "SIGKILL"] as const) {
        const before = await countOf(topic);
        const router = await start(settings, false);
        await until("some more have gone back", async () => (await countOf(topic)) > before);
        await router.kill(signal);
        if (signal === "SIGTERM") {
          expect(await router.exited).toBe(0);
          expect(router.logs()).not.toMatch(/was not finished|did not stop/);
        }
        expect(await at.notReturned()).toBeGreaterThan(0);
      }
      await start(settings);
      await at.allReturned();
      const copies = await at.read(topic, (records) => new Set(idsOf(records)).size >= total);
      const seen = new Set<string>();
      const last = new Map<string, number>();
      for (const copy of copies.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset)) {
        const id = header(copy, "ce_id") ?? "";
        if (seen.has(id)) continue;
        seen.add(id);
        const key = copy.message.key?.toString() ?? "";
        expect(Number(header(copy, "ce_revision"))).toBeGreaterThan(last.get(key) ?? 0);
        last.set(key, Number(header(copy, "ce_revision")));
      }
      // At least once, what was under way at a kill comes again: one step of the partition, a MiB at most.
      if (delivery === "exactly-once") expect(copies).toHaveLength(total);
      else expect(copies.length - total).toBeLessThanOrEqual(2 * 2_000);
    },
    240_000,
  );

  test("settings that are wrong are all named at once, and the process leaves with 1", async () => {
    const process = await startProcess({
      entry: "apps/router/src/main.ts",
      env: { PORT: "x", KAFKA_BROKERS: "nowhere", REDIS_URL: "http://x", ROUTER_DELIVERY: "twice" },
      name: "router",
    });
    expect(await process.exited).toBe(1);
    for (const name of ["PORT", "KAFKA_BROKERS", "REDIS_URL", "ROUTER_DELIVERY", "MANAGER_TOKEN"])
      expect(process.logs()).toContain(name);
  });
});
