import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createGround, registration, type TestGround, type TestManager } from "./test-manager.ts";

let ground: TestGround;
let manager: TestManager;
beforeAll(async () => {
  ground = await createGround();
  manager = await ground.start();
});
afterAll(() => ground.clear());

test("a plugin registers, a team enables it, and routers find the route", async () => {
  const registered = await manager.call("PUT", "/v1/plugins/fake", registration());
  expect([registered.status, registered.body]).toEqual([
    201,
    expect.objectContaining({ id: "fake", routing: "current" }),
  ]);
  const enabled = await manager.call("PUT", "/v1/teams/red/plugins/fake", { enabled: true });
  expect([enabled.status, enabled.body]).toEqual([200, expect.objectContaining({ enabled: true, routing: "current" })]);
  const routes = await manager.call("POST", "/internal/routes", { teams: ["red", "blue"], plugins: ["fake"] });
  expect(routes.body).toEqual({
    teams: {
      red: {
        v: 1,
        plugins: [
          { id: "fake", ready: true, forms: null, filter: null, mode: "async", onFailure: "open", quota: null },
        ],
      },
      blue: null,
    },
    plugins: { fake: { v: 1, events: ["onResponse"], priorityEvents: [], sync: null, state: "enabled" } },
  });
});
