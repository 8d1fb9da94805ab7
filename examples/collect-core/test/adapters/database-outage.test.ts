import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startPostgres, waitUntil } from "@plugboard/stack";
import { type Core, call, coreEnvironment, startCore, surveyForm } from "../support/core-under-test.ts";
import { accepted, FakeManager } from "../support/fake-manager.ts";

const manager = new FakeManager();
let postgres: Awaited<ReturnType<typeof startPostgres>>;
let core: Core;
let cleanUp: () => Promise<void>;

beforeAll(async () => {
  [postgres] = await Promise.all([startPostgres(), manager.start()]);
  const own = await coreEnvironment({ MANAGER_URL: manager.url, DATABASE_URL: postgres.url });
  cleanUp = own.cleanUp;
  core = await startCore(own.settings);
  manager.answer = () => accepted([]);
}, 120_000);
afterAll(async () => {
  await core?.stop();
  await manager.stop();
  await cleanUp?.();
  await postgres?.stop();
});

test("a killed database is told as such, and submissions are taken again when it is back", async () => {
  await call("PUT", `${core.url}/forms/survey`, surveyForm);
  const submit = () => call("POST", `${core.url}/forms/survey/submit`, { answers: { income: 1 } });
  expect((await submit()).status).toBe(201);
  await postgres.kill();
  expect(await submit()).toMatchObject({ status: 503, body: { code: "unavailable" } });
  expect(await call("GET", `${core.url}/`)).toMatchObject({ status: 503, body: { code: "unavailable" } });
  await postgres.start();
  await waitUntil("a submission is taken", 30_000, async () => (await submit()).status === 201 || undefined);
});
