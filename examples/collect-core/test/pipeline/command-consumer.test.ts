import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { CoreCommand, Flag } from "@plugboard/contract";
import { waitUntil } from "@plugboard/stack";
import type { CoreSettings } from "../../src/compose.ts";
import {
  type Core,
  call,
  coreEnvironment,
  type Json,
  readTopic,
  sendTo,
  startCore,
  surveyForm,
} from "../support/core-under-test.ts";

let core: Core;
let settings: CoreSettings;
let cleanUp: () => Promise<void>;

beforeAll(async () => {
  ({ settings, cleanUp } = await coreEnvironment());
  core = await startCore(settings);
  await call("PUT", `${core.url}/forms/survey`, surveyForm);
});
afterAll(async () => {
  await core?.stop();
  await cleanUp?.();
});

const flag = (rule: string): Flag => ({ rule, message: `${rule} is wrong`, fields: ["savings"] });

function command(responseId: string, revision: number | null, rules: string[], changes: object = {}): CoreCommand {
  const id = `validator:${responseId}:${revision}`;
  const at = new Date().toISOString();
  const flags = rules.map(flag);
  return {
    id,
    type: "flag-response",
    team: "team-1",
    formId: "survey",
    responseId,
    revision,
    plugin: "validator",
    flags,
    at,
    ...changes,
  };
}

const send = (...commands: (CoreCommand | string)[]) =>
  sendTo(
    settings,
    settings.CORE_COMMANDS_TOPIC,
    commands.map((item) =>
      typeof item === "string" ? { key: "same", value: item } : { key: "same", value: JSON.stringify(item) },
    ),
  );

async function submitted(): Promise<string> {
  const body = { answers: { savings: 3, income: 2 }, collector: "ada" };
  return (await call("POST", `${core.url}/forms/survey/submit`, body)).body.id;
}

const detail = async (id: string): Promise<Json> => (await call("GET", `${core.url}/responses/${id}`)).body;

/** Commands of one key are carried out in order: when the last is there, so are all before it. */
async function allApplied(): Promise<void> {
  const id = await submitted();
  await send(command(id, 1, ["last"]));
  await waitUntil("the last command was carried out", 30_000, async () =>
    (await detail(id)).openFlags > 0 ? true : undefined,
  );
}

test("a flag sends the response back to its collector, once, however often its command comes", async () => {
  const id = await submitted();
  await send(command(id, 1, ["savings", "age"]), command(id, 1, ["savings", "age"]), command(id, 1, ["another"]));
  await allApplied();
  const { openFlags, flags } = await detail(id);
  expect(openFlags).toBe(2);
  expect(flags).toMatchObject([
    { plugin: "validator", rule: "age", state: "open", revision: 1 },
    { plugin: "validator", rule: "savings", state: "open", message: "savings is wrong", fields: ["savings"] },
  ]);
  const mine = await call("GET", `${core.url}/flags?collector=ada&limit=500`);
  expect(mine.body.items.filter(({ responseId }: Json) => responseId === id)).toHaveLength(2);
});

test("a flag for an earlier revision is recorded as outdated and asks nobody for anything", async () => {
  const id = await submitted();
  await call("PUT", `${core.url}/responses/${id}`, { answers: { savings: 1, income: 2 } });
  await send(command(id, 1, ["late"]), command(id, null, ["now"], { id: "no-revision" }));
  await allApplied();
  expect(await detail(id)).toMatchObject({
    revision: 2,
    openFlags: 1,
    flags: [
      { rule: "now", state: "open", revision: 2 },
      { rule: "late", state: "outdated", revision: 1 },
    ],
  });
});

test("a command that cannot be carried out becomes a dead letter with its reason, and the partition moves on", async () => {
  const id = await submitted();
  const foreign = command(id, 1, ["foreign"], { team: "team-2", id: "foreign" });
  const fraction = command(id, 1.5, ["fraction"], { id: "fraction" });
  await send(
    "{",
    "",
    '{"type":"other"}',
    foreign,
    command("nobody", 1, ["x"]),
    fraction,
    command(id, 1, ["bad \0 \ud800"]),
  );
  await allApplied();
  expect((await detail(id)).flags).toMatchObject([{ rule: "bad  \ufffd" }]);
  const letters = await readTopic(settings, `${settings.CORE_COMMANDS_TOPIC}.dlq`);
  await letters.waitFor(6);
  await letters.stop();
  expect(letters.records.map(({ header }) => header("pb-dead-letter-reason"))).toEqual([
    "malformed",
    "malformed",
    "malformed",
    "unknown-response",
    "unknown-response",
    "malformed",
  ]);
  const [first, , third] = letters.records;
  expect(first).toMatchObject({ key: "same", text: "{" });
  expect(first?.header("pb-origin")).toMatch(new RegExp(`^${settings.CORE_COMMANDS_TOPIC}/\\d/\\d+$`));
  expect(third?.header("pb-dead-letter-detail")).toContain("/type");
});
