import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { createLogger } from "@plugboard/runtime";
import { createTestDatabase } from "@plugboard/stack";
import type { Received } from "../../src/delivery/received.ts";
import { openDatabase, type PluginDatabase } from "../../src/store/connect-database.ts";
import { DeliveryStore } from "../../src/store/delivery-store.ts";
import { migrate } from "../../src/store/migrate.ts";
import { RetryStore } from "../../src/store/retry-store.ts";
import { received } from "../support/received-delivery.ts";

const LEASE_MS = 60_000;
let database: PluginDatabase;
let drop: () => Promise<void>;
let retries: RetryStore;
let deliveries: DeliveryStore;

beforeAll(async () => {
  const created = await createTestDatabase();
  drop = created.drop;
  database = openDatabase(created.url, "stored", createLogger("test", "silent"));
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
  await database.sdk.query("TRUNCATE retries, deliveries, sdk_retry_lines, sdk_breakers");
});

describe("a delivery whose attempt was cut short", () => {
  const cut = () =>
    database.sdk.query("UPDATE deliveries SET lease_until = now() - interval '1 s' WHERE state = 'started'");

  test("is claimed only alone, and set aside when that was cut short twice", async () => {
    const item = received("team", "poison");
    expect(await deliveries.claim(item, "one", null)).toEqual({ kind: "claimed", attempt: 1, cutShort: false });
    for (const attempt of [2, 3]) {
      await cut();
      expect(await deliveries.claim(item, "beside others", null)).toEqual({ kind: "suspect" });
      expect(await deliveries.claim(item, "alone", null, true)).toEqual({ kind: "claimed", attempt, cutShort: true });
    }
    await cut();
    expect(await deliveries.claim(item, "beside others", null)).toEqual({ kind: "poison", attempts: 3, cuts: "3" });
  });

  test("is no suspect any more when its attempt alone has ended, unless that was handed back or a process ended with it before", async () => {
    const suspect = async (id: string, cuts: number) => {
      const item = received("team", id);
      await deliveries.claim(item, "one", null);
      for (let times = 1; times <= cuts; times += 1) {
        await cut();
        await deliveries.claim(item, "alone", null, true);
      }
      return item;
    };
    const again = async (item: Received, uncount: boolean) => {
      await retries.putOff(item, { waitingFor: "retry", dueInMs: 0, history: [], token: "alone", uncount });
      const [entry] = (await retries.take(1, LEASE_MS, "here", [])).filter(({ deliveryId }) => deliveryId === item.id);
      return (await deliveries.claim(item, "two", entry?.seq ?? null)).kind;
    };
    expect(await again(await suspect("cleared", 1), false)).toBe("claimed");
    expect(await again(await suspect("handed-back", 1), true)).toBe("suspect");
    expect(await again(await suspect("ended-one-alone", 2), false)).toBe("suspect");
  });

  test("is tried next when it has waited longest of them, unless its team is parked", async () => {
    const waiting = [received("parked", "first"), received("team", "second"), received("team", "third")];
    for (const item of waiting)
      await retries.putOff(item, { waitingFor: "alone", dueInMs: LEASE_MS, history: [], token: null });
    await database.sdk.query("INSERT INTO sdk_breakers (team, open_until, reason) VALUES ('parked', now(), '')");
    await retries.wakeSuspect();
    const due = (await retries.take(10, LEASE_MS, "here", [])).map(({ deliveryId }) => deliveryId);
    expect(due).toEqual([waiting[1]?.id]);
  });
});
