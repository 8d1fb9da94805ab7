import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createLogger } from "@plugboard/runtime";
import { createTestDatabase, waitUntil } from "@plugboard/stack";
import { openDatabase, type PluginDatabase } from "../../src/store/connect-database.ts";
import { DeliveryStore } from "../../src/store/delivery-store.ts";
import { migrate } from "../../src/store/migrate.ts";
import { RetryStore } from "../../src/store/retry-store.ts";
import { received } from "../support/received-delivery.ts";

const WAIT_MS = 40_000;
const LEASE_MS = 60_000;
const FAR_MS = 3_600_000;
let database: PluginDatabase;
let drop: () => Promise<void>;

beforeAll(async () => {
  const created = await createTestDatabase();
  drop = created.drop;
  database = openDatabase(created.url, "stored", createLogger("test", "silent"));
  await database.connect();
  await migrate(database.sdk, database.schema, []);
});
afterAll(async () => {
  await database.close();
  await drop();
});

// The one ahead was deleted while a take was telling the next to wait for it: the wake-up found nobody waiting, and the next was due
// when the one that was gone would have been.
test("a delivery that is told to wait for an earlier one, at the moment that one ends, is due at once", async () => {
  const retries = new RetryStore(database.sdk);
  const deliveries = new DeliveryStore(database.sdk, { leaseMs: LEASE_MS, afterCut: "repeat", fence: true });
  const [ahead, behind] = [received("team", "ahead", "same"), received("team", "behind", "same")];
  await retries.handOver([ahead], FAR_MS);
  await retries.handOver([behind], 0);
  const taker = await database.sdk.connect();
  await taker.query("BEGIN");
  await taker.query("SELECT FROM sdk_take_retries(16, 60000, 'another instance', '{}')");
  const settled = deliveries.settle(ahead.id, "delivered", null);
  await waitUntil("the settlement is done, or waits for the take", WAIT_MS, async () => {
    const { rows } = await database.handlers.query<{ over: boolean }>(
      `SELECT NOT EXISTS (SELECT FROM retries WHERE delivery_id = $1)
         OR EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock') AS over`,
      [ahead.id],
    );
    return rows[0]?.over === true ? true : undefined;
  });
  await taker.query("COMMIT");
  taker.release();
  await settled;
  expect((await retries.take(16, LEASE_MS, "this one", [])).map(({ deliveryId }) => deliveryId)).toEqual([behind.id]);
});
