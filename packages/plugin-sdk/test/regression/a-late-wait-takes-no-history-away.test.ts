import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { createLogger } from "@plugboard/runtime";
import { createTestDatabase } from "@plugboard/stack";
import { openDatabase, type PluginDatabase } from "../../src/store/connect-database.ts";
import { migrate } from "../../src/store/migrate.ts";
import { RetryStore } from "../../src/store/retry-store.ts";
import { received } from "../support/received-delivery.ts";

let database: PluginDatabase;
let drop: () => Promise<void>;
beforeEach(async () => {
  const created = await createTestDatabase();
  drop = created.drop;
  database = openDatabase(created.url, "waited", createLogger("test", "silent"));
  await migrate(database.sdk, database.schema, []);
});
afterEach(async () => {
  await database.close();
  await drop();
});

describe("a delivery that was handed over while its attempt was under way", () => {
  test("keeps what that attempt came to, when who took its entry finds it busy and puts it off after that", async () => {
    const retries = new RetryStore(database.sdk);
    const item = received("team", "event");
    await retries.handOver([item], 0);
    const verdict = { outcome: "rejected", reason: "rejected", detail: "wrong data", attempts: 1 } as const;
    const history = [{ attempt: 1, at: "2026-01-01T00:00:00.000Z", reason: "wrong data" }];
    await retries.putOff(item, { waitingFor: "dead-letter", dueInMs: 0, history, verdict, token: null });
    await retries.putOff(item, { waitingFor: "busy", dueInMs: 0, token: null });
    const [entry] = await retries.take(10, 1_000, "one", []);
    expect(entry).toMatchObject({ verdict, history });
  });
});
