import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { binaryEvent, Installation, until } from "../router-harness.ts";

let at: Installation;
beforeEach(async () => {
  at = await new Installation().open(["sheets"], { partitions: 1 });
});
afterEach(async () => {
  await at.close();
});

test("the lag and the age of what waits go on growing while the byte budget pauses fetching", async () => {
  at.table.enable("team-1", ["sheets"]);
  at.table.block();
  const router = await at.startRouter({ ROUTER_IN_FLIGHT_BYTES: "1048576" });
  const gauge = async (name: string) =>
    Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(await router.registry.metrics())?.[1]);
  const big = "x".repeat(400_000);
  await at.send(
    Array.from({ length: 3 }, (_, n) => binaryEvent("team-1", { id: `first-${n}`, value: JSON.stringify({ big }) })),
  );
  await until("fetching has paused", async () => (await gauge("router_in_flight_bytes")) > 1_048_576);
  await at.send(Array.from({ length: 20 }, (_, n) => binaryEvent("team-1", { id: `later-${n}` })));
  await until("the lag counts what was not fetched", async () => (await gauge("router_lag_records")) === 23);
  const age = await gauge("router_oldest_unread_age_seconds");
  await until("the oldest grows older", async () => (await gauge("router_oldest_unread_age_seconds")) > age + 1);
  at.table.unblock();
  await until("nothing is left", async () => (await gauge("router_lag_records")) === 0);
  expect(await gauge("router_oldest_unread_age_seconds")).toBeLessThan(10);
});
