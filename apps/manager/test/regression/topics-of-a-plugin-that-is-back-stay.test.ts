import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createLogger } from "@plugboard/runtime";
import { createDatabase, type Database } from "../../src/adapters/prisma-database.ts";
import { PrismaTopicDeletions } from "../../src/adapters/prisma-topic-deletions.ts";
import { createGround, registration, type TestGround } from "../test-manager.ts";

let ground: TestGround;
let database: Database;
beforeAll(async () => {
  ground = await createGround();
  database = createDatabase(ground.databaseUrl, 2, createLogger("test", "silent"));
});
afterAll(async () => {
  await database?.$disconnect();
  await ground?.clear();
});

test("a deletion that is scheduled after the plugin has registered again is none; one of a plugin that is gone is", async () => {
  const manager = await ground.start();
  const deletions = new PrismaTopicDeletions(database);
  const scheduled = async () => (await ground.query("SELECT plugin_id FROM topic_deletions")).length;
  await manager.call("PUT", "/v1/plugins/back", registration());
  await deletions.schedule("back", new Date(Date.now() + 60_000));
  expect(await scheduled()).toBe(0);
  await manager.call("DELETE", "/v1/plugins/back");
  await deletions.schedule("back", new Date(Date.now() + 60_000));
  expect(await scheduled()).toBe(1);
  await manager.call("PUT", "/v1/plugins/back", registration());
  expect(await scheduled()).toBe(0);
});
