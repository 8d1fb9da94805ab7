import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startPostgres } from "@plugboard/stack";
import { applyMigrations } from "../../src/adapters/migration-runner.ts";
import {
  createGround,
  eventually,
  MIGRATIONS,
  registration,
  type TestGround,
  type TestManager,
} from "../test-manager.ts";

let ground: TestGround;
let postgres: Awaited<ReturnType<typeof startPostgres>>;
let manager: TestManager;
beforeAll(async () => {
  [ground, postgres] = await Promise.all([createGround(), startPostgres()]);
  await applyMigrations(postgres.url, MIGRATIONS);
  manager = await ground.start({ DATABASE_URL: postgres.url });
}, 120_000);
afterAll(async () => {
  await ground.clear();
  await postgres.stop();
});

test("a killed database is told as such, and everything goes on when it is back", async () => {
  await manager.call("PUT", "/v1/plugins/one", registration());
  await manager.call("PUT", "/v1/teams/red/plugins/one", { enabled: true });
  await postgres.kill();
  const failed = await manager.call("PUT", "/v1/teams/red/plugins/one", { enabled: true, forms: ["f1"] });
  expect([failed.status, failed.body.code]).toEqual([503, "unavailable"]);
  const read = await manager.call("GET", "/v1/plugins/one");
  expect([read.status, read.body.code]).toEqual([503, "unavailable"]);
  expect((await manager.call("GET", "/readyz")).status).toBe(503);
  expect((await manager.call("GET", "/healthz")).status).toBe(200);
  await postgres.start();
  await eventually(async () => (await manager.call("GET", "/readyz")).status === 200, "it is ready again");
  await eventually(async () => {
    const { status, body } = await manager.call("PUT", "/v1/teams/red/plugins/one", { enabled: true, forms: ["f1"] });
    return status === 200 && body.routing === "current";
  }, "changes are in force again");
  expect((await manager.call("POST", "/internal/routes", { teams: ["red"] })).body.teams.red.plugins[0].forms).toEqual([
    "f1",
  ]);
});
