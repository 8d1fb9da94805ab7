import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createGround, type TestGround, type TestManager } from "../test-manager.ts";

let ground: TestGround;
let manager: TestManager;
beforeAll(async () => {
  ground = await createGround();
  manager = await ground.start();
});
afterAll(() => ground.clear());

test("enabling a plugin that is not there leaves no row of the team", async () => {
  const answer = await manager.call("PUT", "/v1/teams/nobody/plugins/nothing", { enabled: true });
  expect([answer.status, answer.body.code]).toEqual([404, "not-found"]);
  expect(await ground.query("SELECT id FROM teams")).toEqual([]);
});
