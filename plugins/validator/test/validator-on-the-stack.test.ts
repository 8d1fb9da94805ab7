import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { coreCommandSchema } from "@plugboard/contract";
import { openStage, type PluginStage } from "../../../packages/plugin-sdk/test/support/plugin-stage.ts";
import { validator } from "../src/plugin.ts";

let stage: PluginStage;
let url: string;

beforeAll(async () => {
  stage = await openStage("validator");
  stage.manager.enable("team-1");
  ({ url } = await stage.start(validator));
});
afterAll(() => stage?.close());

const rules = [{ id: "savings", check: "answers.savings <= answers.income", message: "more saved than earned" }];
const initialize = (version: number, settings: object) =>
  stage.manager.call(url, "/initialize", { team: "team-1", version, settings });

test("rules travel from the manager to a flag on core.commands, and wrong ones are refused with their place", async () => {
  expect(await initialize(1, { rules: [{ id: "a", check: "answers.a >", message: "m" }] })).toMatchObject({
    status: 200,
    body: { status: "refused", reasons: [{ path: "/rules/0/check", message: expect.stringContaining("column 12") }] },
  });
  expect(await initialize(2, { rules })).toMatchObject({ status: 200, body: { status: "applied", version: 2 } });

  const wrong = { data: { answers: { savings: 3, income: 2 }, collector: "ada" } };
  const right = { data: { answers: { savings: 1, income: 2 }, collector: "ada" } };
  const flagged = await stage.route({ team: "team-1", response: "r1", revision: 1, ...wrong });
  const passed = await stage.route({ team: "team-1", response: "r2", revision: 1, ...right });
  const unclear = await stage.route({ team: "team-1", response: "r3", revision: 1, data: { answers: {} } });
  for (const id of [flagged, passed, unclear]) expect(await stage.settled(id)).toBe("delivered");

  const commands = await stage.records(stage.topics.commands);
  expect(commands.map(({ value }) => coreCommandSchema.parse(JSON.parse(String(value))))).toMatchObject([
    {
      type: "flag-response",
      team: "team-1",
      responseId: "r1",
      revision: 1,
      plugin: "validator",
      flags: [{ rule: "savings" }],
    },
  ]);
});

test("a signed execute answers inside the submit", async () => {
  expect((await initialize(3, { rules })).body.status).toBe("applied");
  const execute = (answers: object) =>
    stage.manager.call(url, "/execute", {
      event: { id: "e1", team_id: "team-1", event: "onResponse", response_id: "r9", revision: 1, data: { answers } },
    });
  expect(await execute({ savings: 3, income: 2 })).toMatchObject({
    status: 200,
    body: { outcome: "flagged", flags: [{ rule: "savings", message: "more saved than earned" }] },
  });
  expect(await execute({ savings: 3 })).toMatchObject({
    status: 200,
    body: { outcome: "passed", output: { checked: 0, skipped: [{ rule: "savings", reason: "missing-answer" }] } },
  });
});
