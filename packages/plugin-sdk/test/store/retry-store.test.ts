import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { createLogger, createRegistry, systemClock } from "@plugboard/runtime";
import { createTestDatabase, waitUntil } from "@plugboard/stack";
import type { DeadLetters } from "../../src/delivery/dead-letters.ts";
import { FairPool } from "../../src/delivery/fair-pool.ts";
import { type Received, receive } from "../../src/delivery/received.ts";
import { RetryLoop } from "../../src/delivery/retry-loop.ts";
import { createSdkMetrics } from "../../src/metrics.ts";
import { openDatabase, type PluginDatabase } from "../../src/store/connect-database.ts";
import { DeliveryStore } from "../../src/store/delivery-store.ts";
import { migrate } from "../../src/store/migrate.ts";
import { RetryStore } from "../../src/store/retry-store.ts";

const LEASE_MS = 60_000;
let database: PluginDatabase;
let drop: () => Promise<void>;
let retries: RetryStore;
let deliveries: DeliveryStore;

beforeAll(async () => {
  const created = await createTestDatabase();
  drop = created.drop;
  const logger = createLogger("test", "silent");
  database = openDatabase(created.url, "stored", logger);
  await database.connect();
  await migrate(database.sdk, database.schema, []);
  retries = new RetryStore(database.sdk);
  deliveries = new DeliveryStore(database.sdk, { leaseMs: LEASE_MS, repeat: true });
});
afterAll(async () => {
  await database.close();
  await drop();
});
beforeEach(async () => {
  await database.sdk.query("TRUNCATE retries, deliveries");
});

function received(
  team: string,
  id: string,
  response = `response-of-${id}`,
  headers: [string, string][] = [],
): Received {
  const all = [
    ["ce_id", id],
    ["ce_source", "core"],
    ["ce_type", "onResponse"],
    ["ce_teamid", team],
    ["ce_subject", response],
  ];
  const copy = [...(all as [string, string][]), ...headers].map(([name, value]) => [name, Buffer.from(value)] as const);
  const item = receive(
    { key: Buffer.from("k"), value: Buffer.from('{"a":1}'), headers: copy, readFrom: "t/0/1" },
    "stored",
    "core",
  );
  if (item.kind === "malformed") throw new Error(item.problems.join());
  return item;
}
const putOff = (item: Received) => retries.putOff(item, { waitingFor: "retry", dueInMs: 0, history: [], token: null });

describe("RetryStore", () => {
  test("takes in turns over the teams, so that a long queue delays nobody", async () => {
    for (let index = 0; index < 30; index += 1) await putOff(received("a-large-team", `large-${index}`));
    await putOff(received("small-team", "small"));
    const taken = await retries.take(4, LEASE_MS, "one", []);
    expect(taken.map(({ team }) => team).toSorted()).toEqual([
      "a-large-team",
      "a-large-team",
      "a-large-team",
      "small-team",
    ]);
    const next = await retries.take(100, LEASE_MS, "one", ["small-team"]);
    expect(next).toHaveLength(27);
  });

  test("gives an entry to one taker only, and keeps it for its lease", async () => {
    for (let index = 0; index < 20; index += 1) await putOff(received("team", `one-${index}`));
    const takers = await Promise.all(["one", "two", "three"].map((name) => retries.take(20, LEASE_MS, name, [])));
    const seqs = takers.flat().map(({ seq }) => seq);
    expect([seqs.length, new Set(seqs).size]).toEqual([20, 20]);
    expect(await retries.take(20, LEASE_MS, "four", [])).toEqual([]);
  });

  test("gives an entry again when its lease is over", async () => {
    await putOff(received("team", "leased"));
    const [first] = await retries.take(1, 50, "one", []);
    const [again] = await waitUntil("the lease is over", 30_000, async () => {
      const found = await retries.take(1, LEASE_MS, "two", []);
      return found.length > 0 ? found : undefined;
    });
    expect(again?.seq).toBe(first?.seq);
    expect(await retries.take(1, LEASE_MS, "three", [])).toEqual([]);
  });

  test("gives back the record byte for byte, with repeated headers in order", async () => {
    const item = received("team", "bytes", "r", [
      ["x", "1"],
      ["x", "2"],
      ["odd \u0000", "\u0000"],
    ]);
    await putOff(item);
    const [entry] = await retries.take(1, LEASE_MS, "one", []);
    expect(entry?.record).toEqual(item.record);
  });

  test("holds later entries of a response back until the earlier one is gone", async () => {
    await putOff(received("team", "first", "r"));
    await putOff(received("team", "second", "r"));
    const [first, ...more] = await retries.take(10, LEASE_MS, "one", []);
    expect([first?.record.headers[0]?.[1].toString(), more]).toEqual(["first", []]);
    await deliveries.settle(first?.deliveryId ?? "", "delivered", null);
    const [second] = await retries.take(10, LEASE_MS, "one", []);
    expect(second?.record.headers[0]?.[1].toString()).toBe("second");
  });
});

describe("DeliveryStore", () => {
  test("lets one of many claims for a response through, whichever of its deliveries they are for", async () => {
    const items = Array.from({ length: 8 }, (_, index) => received("team", `claim-${index}`, "r"));
    const claims = await Promise.all(items.map((item, index) => deliveries.claim(item, `token-${index}`, null)));
    expect(claims.filter(({ kind }) => kind === "claimed")).toHaveLength(1);
    expect(claims.filter(({ kind }) => kind === "busy")).toHaveLength(7);
  });

  test("deletes old identities in bounded batches and leaves what is not settled", async () => {
    for (let index = 0; index < 5; index += 1) {
      const item = received("team", `old-${index}`);
      await deliveries.claim(item, "token", null);
      if (index > 0) await deliveries.settle(item.id, "delivered", null);
    }
    expect(await deliveries.deleteOlderThan(60_000, 3)).toBe(0);
    await database.sdk.query("UPDATE deliveries SET settled_at = now() - interval '2 minutes' WHERE state = 'settled'");
    expect([await deliveries.deleteOlderThan(60_000, 3), await deliveries.deleteOlderThan(60_000, 3)]).toEqual([3, 1]);
  });
});

describe("RetryLoop", () => {
  test("keeps a record whose dead letter cannot be written until it can, and settles only then", async () => {
    const item = received("team", "doomed");
    const verdict = { outcome: "rejected", reason: "rejected", detail: "no such number", attempts: 1 } as const;
    await retries.putOff(item, { waitingFor: "dead-letter", dueInMs: 0, history: [], verdict, token: null });
    const settled = async () =>
      (await database.sdk.query("SELECT outcome FROM deliveries WHERE id = $1 AND state = 'settled'", [item.id])).rows;
    const settledAtWrite: unknown[] = [];
    const write: DeadLetters["write"] = async () => {
      settledAtWrite.push(await settled());
      if (settledAtWrite.length === 1) throw new Error("the topic cannot be written");
    };
    const draining = new AbortController();
    const loop = new RetryLoop({
      plugin: "stored",
      flatSource: "core",
      instance: "i-1",
      retries,
      deliveries,
      deadLetters: { write } as DeadLetters,
      pool: new FairPool({ inFlightMax: 2, teamInFlightMax: 2 }),
      attempt: async () => {
        throw new Error("a decided delivery is not attempted");
      },
      report: () => {},
      metrics: createSdkMetrics(createRegistry({ defaultMetrics: false })),
      clock: systemClock,
      logger: createLogger("test", "silent"),
      leaseMs: LEASE_MS,
      draining: draining.signal,
      stopping: new AbortController().signal,
    });
    await loop.start();
    try {
      await waitUntil("it is settled", 30_000, async () => ((await settled()).length > 0 ? true : undefined));
    } finally {
      draining.abort();
      await loop.stop();
    }
    expect(settledAtWrite).toEqual([[], []]);
    expect(await retries.backlog(10)).toEqual({ rows: 0, oldestAgeSeconds: 0, oldestOverdueSeconds: 0 });
  });
});
