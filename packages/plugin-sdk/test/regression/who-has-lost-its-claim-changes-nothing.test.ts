import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { createLogger } from "@plugboard/runtime";
import { createTestDatabase, waitUntil } from "@plugboard/stack";
import { z } from "zod";
import { definePlugin } from "../../src/index.ts";
import { openDatabase, type PluginDatabase } from "../../src/store/connect-database.ts";
import { DeliveryStore } from "../../src/store/delivery-store.ts";
import { migrate } from "../../src/store/migrate.ts";
import { RetryStore } from "../../src/store/retry-store.ts";
import { startHarness } from "../../src/testing/index.ts";
import { received } from "../support/received-delivery.ts";

const WAIT_MS = 40_000;
/** Over before anybody can ask again. */
const LEASE_MS = 1;
const ASKED = `SELECT FROM pg_locks WHERE NOT granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
let closing: (() => Promise<void>)[];

beforeEach(() => {
  closing = [];
});
afterEach(async () => {
  for (const close of closing.toReversed()) await close();
});

async function openStores(): Promise<{ database: PluginDatabase; deliveries: DeliveryStore; retries: RetryStore }> {
  const { url, drop } = await createTestDatabase();
  const database = openDatabase(url, "stored", createLogger("test", "silent"));
  closing.push(drop, () => database.close());
  await migrate(database.sdk, database.schema, []);
  const deliveries = new DeliveryStore(database.sdk, { leaseMs: LEASE_MS, afterCut: "repeat", fence: true });
  return { database, deliveries, retries: new RetryStore(database.sdk) };
}

describe("an attempt whose claim has run out, and is another's", () => {
  test("stores no retry and no dead letter", async () => {
    const { database, deliveries, retries } = await openStores();
    const item = received("team", "event");
    await deliveries.claim(item, "frozen", null);
    await waitUntil("another has it", WAIT_MS, async () => {
      return (await deliveries.claim(item, "another", null, true)).kind === "claimed" || undefined;
    });
    const verdict = { outcome: "failed", reason: "failed", detail: "given up", attempts: 1 } as const;
    const how = { dueInMs: 0, history: [], token: "frozen" };
    await retries.putOff(item, { ...how, waitingFor: "dead-letter", verdict });
    await retries.putOff(item, { ...how, waitingFor: "retry" });
    expect((await database.sdk.query("SELECT 1 FROM retries")).rows).toEqual([]);
    expect((await database.sdk.query("SELECT state, owner FROM deliveries")).rows).toEqual([
      { state: "started", owner: "another" },
    ]);
  });

  test("is told the end that is in force", async () => {
    const { deliveries } = await openStores();
    const item = received("team", "event");
    await deliveries.claim(item, "one", null);
    expect(await deliveries.settle(item.id, "unknown", "an attempt was cut short")).toBe("unknown");
    expect(await deliveries.settle(item.id, "delivered", null)).toBe("unknown");
  });

  test("does not reach its handler, when the process was frozen while it asked for the claim", async () => {
    const handled: number[] = [];
    const harness = await startHarness(
      definePlugin({
        metadata: { id: "frozen", name: "Frozen", description: "", version: "1", events: ["onResponse"] },
        settings: z.object({}),
        onEvent: async ({ attempt }) => {
          handled.push(attempt);
          return undefined;
        },
      }),
    );
    closing.push(() => harness.close());
    const lock = await harness.db.connect();
    await lock.query("BEGIN");
    await lock.query("LOCK TABLE deliveries");
    const delivery = harness.deliver({ response: "r-1" });
    await waitUntil("the claim is asked for", WAIT_MS, async () => {
      return (await lock.query(ASKED)).rowCount === 1 || undefined;
    });
    harness.clock.advance(3_600_000);
    await lock.query("ROLLBACK");
    lock.release();
    // The first claim was given back; the second came in time.
    expect(await delivery).toMatchObject({ outcome: "delivered" });
    expect(handled).toEqual([1]);
    const { rows } = await harness.db.query("SELECT owner FROM deliveries");
    expect(rows).toEqual([{ owner: "harness/2" }]);
  });
});
