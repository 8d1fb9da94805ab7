import { beforeEach, describe, expect, test } from "@jest/globals";
import { freePorts, type ServiceProcess } from "@plugboard/stack";
import { Redis } from "ioredis";
import type { RouterStatus } from "../src/domain/router-status.ts";
import { binaryEvent, header, type Installation, idsOf, until } from "./router-harness.ts";
import { RouterProcesses } from "./router-processes.ts";

const EVENTS = 600;
const TEST_MS = 120_000;

describe("a router of two threads", () => {
  const routers = new RouterProcesses({ partitions: 6 });
  let at: Installation;
  let port: number;
  beforeEach(async () => {
    at = routers.at;
    port = (await freePorts(1))[0] as number;
  });

  async function start(overrides: Record<string, string> = {}): Promise<ServiceProcess> {
    return await routers.start({ ROUTER_THREADS: "2", PORT: String(port), ...overrides });
  }
  const ask = (path: string) => fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(10_000) });
  const status = async () => (await (await ask("/status.json")).json()) as RouterStatus;

  /** Until the partitions are shared out between both threads. */
  async function untilShared(): Promise<void> {
    await until("both threads are members, and all partitions are read", async () => {
      const answer = await ask("/status.json").catch(() => undefined);
      if (!answer?.ok) return false;
      const { group } = (await answer.json()) as RouterStatus;
      return group.memberIds.length === 2 && group.partitions.length === 6;
    });
    await until("it is ready", async () => (await ask("/readyz")).ok);
  }

  async function send(count: number, prefix = "e"): Promise<void> {
    const numbers = Array.from({ length: count }, (_, index) => index);
    await at.send(
      numbers.map((n) => binaryEvent("team-1", { id: `${prefix}-${n}`, key: `key-${n % 23}`, revision: n + 1 })),
    );
  }

  test(
    "shares the partitions between them, tells of itself as one, and drains",
    async () => {
      const router = await start();
      await untilShared();
      await send(EVENTS);
      await at.drained();
      expect(idsOf(await at.read(at.topicOf("sheets"), EVENTS))).toHaveLength(EVENTS);

      expect(await status()).toMatchObject({
        health: { ready: true },
        plugins: [{ plugin: "sheets", copies: { live: EVENTS } }],
        inFlight: { limitBytes: 67_108_864 },
      });
      const metrics = await (await ask("/metrics")).text();
      const valuesOf = (name: string) => metrics.split("\n").filter((line) => line.startsWith(name));
      expect(valuesOf("router_copies_total{")).toContain(`router_copies_total{plugin="sheets",lane="live"} ${EVENTS}`);
      expect(valuesOf("router_record_to_routed_seconds_count")).toEqual([
        `router_record_to_routed_seconds_count ${EVENTS}`,
      ]);
      expect(valuesOf("router_topic_partitions")).toEqual(["router_topic_partitions 6"]);
      expect(valuesOf("router_assigned_partitions")).toEqual(["router_assigned_partitions 6"]);
      for (const ofOne of ["process_cpu_seconds_total", "plugboard_ready", "nodejs_eventloop_lag_p99_seconds"])
        expect(valuesOf(`${ofOne} `)).toHaveLength(1);
      expect(await (await ask("/status")).text()).toContain("Members, one per thread");

      await router.kill("SIGTERM");
      expect(await router.exited).toBe(0);
    },
    TEST_MS,
  );

  test(
    "exactly once: kill -9 and a start under the same id double nothing",
    async () => {
      const settings = { ROUTER_DELIVERY: "exactly-once", ROUTER_INSTANCE_ID: "one" };
      let router = await start(settings);
      await untilShared();
      for (const round of [1, 2]) {
        await send(EVENTS, `round-${round}`);
        await router.kill("SIGKILL");
        router = await start(settings);
      }
      await at.drained();
      const copies = await at.read(at.topicOf("sheets"), 2 * EVENTS);
      expect(copies).toHaveLength(2 * EVENTS);
      expect(new Set(copies.map((copy) => header(copy, "ce_id"))).size).toBe(2 * EVENTS);
    },
    TEST_MS,
  );

  test("one that cannot go on ends the process", async () => {
    const redis = new Redis(routers.redis.url);
    const policy = "maxmemory-policy";
    try {
      await redis.config("SET", policy, "allkeys-lru");
      const router = await start();
      expect(await router.exited).toBe(1);
      expect(router.logs()).toMatch(/thread \d: .*would lose data/);
    } finally {
      await redis.config("SET", policy, "noeviction");
      redis.disconnect();
    }
  });
});
