import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { createLogger, createRegistry, systemClock } from "@plugboard/runtime";
import { createTestDatabase, waitUntil } from "@plugboard/stack";
import type { DeadLetters } from "../../src/delivery/dead-letters.ts";
import { FairPool } from "../../src/delivery/fair-pool.ts";
import type { Received } from "../../src/delivery/received.ts";
import { RetryLoop } from "../../src/delivery/retry-loop.ts";
import { createSdkMetrics } from "../../src/metrics.ts";
import { openDatabase, type PluginDatabase } from "../../src/store/connect-database.ts";
import { DeliveryStore } from "../../src/store/delivery-store.ts";
import { migrate } from "../../src/store/migrate.ts";
import { RetryStore } from "../../src/store/retry-store.ts";
import { received } from "../support/received-delivery.ts";

const LEASE_MS = 60_000;
/** Nothing is late in these. */
const PROMPT = { lateMs: 3_600_000, lateMax: 0 };
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
  deliveries = new DeliveryStore(database.sdk, { leaseMs: LEASE_MS, afterCut: "repeat", fence: true });
});
afterAll(async () => {
  await database.close();
  await drop();
});
beforeEach(async () => {
  await database.sdk.query("TRUNCATE retries, deliveries, sdk_retry_lines");
});
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

  test("looks past entries that wait behind an earlier one of their key, however many there are", async () => {
    await putOff(received("team", "head", "hot"));
    const [head] = await retries.take(10, LEASE_MS, "one", []);
    for (let index = 0; index < 200; index += 1) await putOff(received("team", `behind-${index}`, "hot"));
    await putOff(received("team", "free", "other"));
    const free = await waitUntil("what is free is taken", 30_000, async () => {
      const [entry] = await retries.take(4, LEASE_MS, "one", []);
      return entry;
    });
    expect(free.record.headers[0]?.[1].toString()).toBe("free");
    const ended: string[] = [];
    // Each end makes the next of the key due, and only that.
    for (let entry = head; entry !== undefined && ended.length < 5; ) {
      await deliveries.settle(entry.deliveryId, "delivered", null);
      const next: Awaited<ReturnType<RetryStore["take"]>> = await retries.take(10, LEASE_MS, "one", []);
      expect(next).toHaveLength(1);
      [entry] = next;
      ended.push(entry?.record.headers[0]?.[1].toString() ?? "");
    }
    expect(ended).toEqual([0, 1, 2, 3, 4].map((index) => `behind-${index}`));
  });

  test("stores a window's deliveries together, in their order, byte for byte, and each once", async () => {
    const plain = Array.from({ length: 50 }, (_, index) => received(`team-${index % 3}`, `together-${index}`, "r"));
    const odd = received("team-0", "odd", "r", [["odd \u0000", "\u0000"]]);
    const bare = { ...received("team-0", "bare"), orderKey: null, record: { ...odd.record, key: null, value: null } };
    await retries.handOver([...plain, odd, bare, plain[0] ?? odd], 0);
    await retries.handOver([odd], 0);
    const { rows } = await database.sdk.query("SELECT delivery_id AS id FROM retries ORDER BY seq");
    expect(rows.map(({ id }) => id)).toEqual([...plain, odd, bare].map(({ id }) => id));
    const { rows: known } = await database.sdk.query("SELECT 1 FROM deliveries WHERE state = 'waiting'");
    expect(known).toHaveLength(52);
    const taken = await retries.take(100, LEASE_MS, "one", []);
    // The first of each team's key, and the one without a key.
    expect(taken.map(({ deliveryId }) => deliveryId).toSorted()).toEqual(
      [plain[0], plain[1], plain[2], bare].map((item) => item?.id ?? "").toSorted(),
    );
    expect(taken.find(({ deliveryId }) => deliveryId === bare.id)?.record).toEqual(bare.record);
  });

  test("gives the next turn to lines that were not served", async () => {
    for (const team of ["a", "b", "c", "d", "e", "f"])
      for (let index = 0; index < 3; index += 1) await putOff(received(team, `${team}${index}`));
    const teams = async () => (await retries.take(2, LEASE_MS, "one", [])).map(({ team }) => team);
    const rounds = [await teams(), await teams(), await teams()].flat();
    expect(rounds.toSorted()).toEqual(["a", "b", "c", "d", "e", "f"]);
  });

  test("loses sight of no entry that is stored while others are taken, and takes none twice", async () => {
    const ids = Array.from({ length: 300 }, (_, index) => `raced-${index}`);
    let storing = true;
    const taken: string[] = [];
    const takers = ["one", "two", "three"].map(async (name) => {
      for (;;) {
        const last = !storing;
        const entries = await retries.take(7, LEASE_MS, name, []);
        for (const entry of entries) {
          taken.push(entry.deliveryId);
          await deliveries.settle(entry.deliveryId, "delivered", null);
        }
        if (last && entries.length === 0) return;
      }
    });
    await Promise.all(
      [0, 1, 2].map(async (part) => {
        for (const [index, id] of ids.entries())
          if (index % 3 === part) await putOff(received(`team-${index % 4}`, id));
      }),
    );
    storing = false;
    await Promise.all(takers);
    expect([taken.length, new Set(taken).size]).toEqual([300, 300]);
    expect((await database.sdk.query("SELECT 1 FROM retries")).rowCount).toBe(0);
  });
});

describe("DeliveryStore", () => {
  test("lets one of many claims for a response through, whichever of its deliveries they are for", async () => {
    const items = Array.from({ length: 8 }, (_, index) => received("team", `claim-${index}`, "r"));
    const claims = await Promise.all(items.map((item, index) => deliveries.claim(item, `token-${index}`, null)));
    expect(claims.filter(({ kind }) => kind === "claimed")).toHaveLength(1);
    expect(claims.filter(({ kind }) => kind === "busy")).toHaveLength(7);
  });

  test("remembers the newest revision of a response when its identities are gone, for plugins that want the latest", async () => {
    const revised = (id: string, revision: number) => received("team", id, "r", [["ce_revision", String(revision)]]);
    const all = new DeliveryStore(database.sdk, { leaseMs: LEASE_MS, afterCut: "repeat", fence: false });
    for (const revision of [3, 5]) {
      const item = revised(`revision-${revision}`, revision);
      expect((await deliveries.claim(item, "token", null)).kind).toBe("claimed");
      await deliveries.settle(item.id, "delivered", null);
    }
    await database.sdk.query("UPDATE deliveries SET settled_at = now() - interval '1 year'");
    expect(await deliveries.deleteOlderThan(60_000, 10)).toBe(2);
    expect(await deliveries.claim(revised("late", 4), "token", null)).toEqual({ kind: "superseded", by: "5" });
    expect((await all.claim(revised("wanted", 4), "token", null)).kind).toBe("claimed");
    await all.settle(revised("wanted", 4).id, "delivered", null);
    expect((await deliveries.claim(revised("newer", 6), "token", null)).kind).toBe("claimed");
    expect(await deliveries.deleteOldFences(10)).toBe(0);
    await database.sdk.query("UPDATE sdk_fences SET kept_since = now() - interval '500 days'");
    expect(await deliveries.deleteOldFences(10)).toBe(1);
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
  const verdict = { outcome: "rejected", reason: "rejected", detail: "no such number", attempts: 1 } as const;
  const bury = (item: Received) =>
    retries.putOff(item, { waitingFor: "dead-letter", dueInMs: 0, history: [], verdict, token: null });
  const settled = async (id: string) =>
    (await database.sdk.query("SELECT outcome FROM deliveries WHERE id = $1 AND state = 'settled'", [id])).rows;
  const loopOf = (instance: string, write: DeadLetters["write"], leaseMs: number, draining: AbortSignal) =>
    new RetryLoop({
      plugin: "stored",
      flatSource: "core",
      instance,
      retries,
      deliveries,
      deadLetters: { write } as DeadLetters,
      pool: new FairPool({ inFlightMax: 2, teamInFlightMax: 2, ...PROMPT }),
      attempt: async () => {
        throw new Error("a decided delivery is not attempted");
      },
      report: () => {},
      metrics: createSdkMetrics(createRegistry({ defaultMetrics: false })),
      breakers: { parks: () => false },
      clock: systemClock,
      logger: createLogger("test", "silent"),
      leaseMs,
      draining,
      stopping: new AbortController().signal,
    });

  test("keeps a record whose dead letter cannot be written until it can, and settles only then", async () => {
    const item = received("team", "doomed");
    await bury(item);
    const settledAtWrite: unknown[] = [];
    const write: DeadLetters["write"] = async () => {
      settledAtWrite.push(await settled(item.id));
      if (settledAtWrite.length === 1) throw new Error("the topic cannot be written");
    };
    const draining = new AbortController();
    const loop = loopOf("i-1", write, LEASE_MS, draining.signal);
    await loop.start();
    try {
      await waitUntil("it is settled", 30_000, async () => ((await settled(item.id)).length > 0 ? true : undefined));
    } finally {
      draining.abort();
      await loop.stop();
    }
    expect(settledAtWrite).toEqual([[], []]);
    expect(await retries.backlog(10)).toEqual({ rows: 0, oldestAgeSeconds: 0, oldestOverdueSeconds: 0 });
  });

  test("writes each dead letter once, though writing takes longer than an entry's lease and several instances take", async () => {
    const items = Array.from({ length: 12 }, (_, index) => received("team", `slow-${index}`));
    for (const item of items) await bury(item);
    const written: string[] = [];
    let turn: Promise<unknown> = Promise.resolve();
    // One at a time, as in a topic of one partition: the last waits for ten times the lease.
    const write: DeadLetters["write"] = async (record) => {
      const id = record.headers[0]?.[1].toString() ?? "";
      turn = turn.then(() => new Promise((resolve) => setTimeout(resolve, 200)));
      await turn;
      written.push(id);
    };
    const draining = new AbortController();
    const loops = ["i-1", "i-2"].map((instance) => loopOf(instance, write, 250, draining.signal));
    for (const loop of loops) await loop.start();
    try {
      await waitUntil("all are settled", 60_000, async () =>
        (await database.sdk.query("SELECT 1 FROM deliveries WHERE state = 'settled'")).rowCount === 12
          ? true
          : undefined,
      );
    } finally {
      draining.abort();
      for (const loop of loops) await loop.stop();
    }
    expect(written.toSorted()).toEqual(items.map((_, index) => `slow-${index}`).toSorted());
  }, 120_000);
});
