import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { waitUntil } from "@plugboard/stack";
import { z } from "zod";
import {
  type Context,
  type Delivery,
  definePlugin,
  failed,
  type Outcome,
  type RunningPlugin,
  rejected,
  retry,
} from "../../src/index.ts";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 30_000;

let stage: PluginStage;
let plugin: RunningPlugin;
let seen: Delivery[] = [];
let behave: (delivery: Delivery, context: Context<unknown>) => Promise<Outcome | undefined>;
let teams = 0;

const probe = definePlugin({
  metadata: { id: "probe", name: "Probe", description: "", version: "1", events: ["onResponse"] },
  settings: z.object({}),
  onEvent: async (delivery, context) => {
    seen.push(delivery);
    return await behave(delivery, context);
  },
});

beforeAll(async () => {
  stage = await openStage("probe");
  plugin = await stage.start(probe, { PLUGIN_RETRY_ATTEMPTS_MAX: "3" });
});
afterAll(async () => {
  await stage.close();
});
beforeEach(() => {
  seen = [];
  behave = async () => undefined;
});

/** A team nobody has used yet, so that tests do not see each other; its table entry is fetched afresh. */
function newTeam(): string {
  teams += 1;
  const team = `team-${teams}`;
  stage.manager.enable(team);
  return team;
}

const attemptsOf = (id: string) => seen.filter((delivery) => delivery.id === id).map(({ attempt }) => attempt);

/** The dead letter of a delivery, once it is there. */
async function deadLetterOf(id: string) {
  return await waitUntil(`the dead letter of ${id}`, WAIT_MS, async () =>
    (await stage.records(stage.topics.deadLetter)).find((record) => stage.header(record, "pb-delivery-id") === id),
  );
}

async function outcomesOf(id: string, last: string): Promise<string[]> {
  return await waitUntil(`the outcome ${last} of ${id}`, WAIT_MS, async () => {
    const outcomes = (await stage.outcomes(id)).map(({ outcome }) => outcome);
    return outcomes.at(-1) === last ? outcomes : undefined;
  });
}

describe("a delivery", () => {
  test("reaches onEvent with its team, data and attempt; its outcome is published and its offset committed", async () => {
    const team = newTeam();
    const id = await stage.route({ team, response: "r-1", revision: 1, data: { answers: { a: 1 } } });
    expect(await stage.settled(id)).toBe("delivered");
    expect(seen).toEqual([expect.objectContaining({ id, team, attempt: 1, data: { answers: { a: 1 } } })]);
    expect(await outcomesOf(id, "delivered")).toEqual(["delivered"]);
    const [outcome] = await stage.outcomes(id);
    expect(outcome).toMatchObject({ plugin: "probe", team, responseId: "r-1", revision: 1, attempt: 1, reason: null });
    await stage.committed();
  });

  test("that comes twice is handled once and recorded as duplicate", async () => {
    const team = newTeam();
    const event = { team, response: "r-1", id: "event-twice" };
    const id = await stage.route(event);
    await stage.route(event);
    expect(await outcomesOf(id, "duplicate")).toEqual(["delivered", "duplicate"]);
    expect(attemptsOf(id)).toEqual([1]);
  });

  test("whose handler throws is tried again, with its attempts counted, and then delivered", async () => {
    behave = async ({ attempt }) => {
      if (attempt < 3) throw new Error(`not yet (${attempt})`);
      return undefined;
    };
    const id = await stage.route({
      team: newTeam(),
      response: "r-1",
      data: { answers: { text: "kept \u0000 as sent" } },
    });
    expect(await stage.settled(id)).toBe("delivered");
    expect(attemptsOf(id)).toEqual([1, 2, 3]);
    expect(seen.map(({ data }) => data)).toEqual(Array(3).fill({ answers: { text: "kept \u0000 as sent" } }));
    expect(await outcomesOf(id, "delivered")).toEqual(["retry", "retry", "delivered"]);
    expect(await stage.query("SELECT 1 FROM retries WHERE delivery_id = $1", [id])).toEqual([]);
  });

  test("that fails at every attempt becomes a dead letter with the history of its errors", async () => {
    behave = async ({ attempt }) => retry(`the vendor said ${attempt}`, 10);
    const id = await stage.route({
      team: newTeam(),
      response: "r-1",
      data: { answers: { b: 2 } },
      headers: { own: "header" },
    });
    const letter = await deadLetterOf(id);
    expect(JSON.parse(String(letter.value))).toEqual({ answers: { b: 2 } });
    expect(String(letter.key)).toBe("r-1");
    expect(stage.header(letter, "own")).toBe("header");
    expect(stage.header(letter, "pb-dead-letter-reason")).toBe("failed");
    expect(stage.header(letter, "pb-dead-letter-detail")).toBe("given up after 3 attempts: the vendor said 3");
    expect(stage.header(letter, "pb-attempts")).toBe("3");
    expect(stage.header(letter, "pb-origin")).toMatch(/^responses\/0\//);
    const history = JSON.parse(stage.header(letter, "pb-error-history") ?? "") as { attempt: number; reason: string }[];
    expect(history.map(({ attempt, reason }) => [attempt, reason])).toEqual([
      [1, "the vendor said 1"],
      [2, "the vendor said 2"],
      [3, "the vendor said 3"],
    ]);
    expect(await stage.settled(id)).toBe("failed");
    expect(await outcomesOf(id, "failed")).toEqual(["retry", "retry", "failed"]);
  });

  test.each([
    ["rejected", rejected("the phone number is not valid")],
    ["failed", failed("the phone number is not valid")],
  ])("that is %s becomes a dead letter at once and is not repeated", async (kind, outcome) => {
    behave = async () => outcome;
    const id = await stage.route({ team: newTeam(), response: "r-1" });
    const letter = await deadLetterOf(id);
    expect(stage.header(letter, "pb-dead-letter-reason")).toBe(kind);
    expect(stage.header(letter, "pb-dead-letter-detail")).toBe("the phone number is not valid");
    expect(await stage.settled(id)).toBe(kind);
    expect(attemptsOf(id)).toEqual([1]);
  });

  test("of a team that switched the plugin off is dropped and recorded as disabled; it is delivered if sent again later", async () => {
    const team = newTeam();
    stage.manager.disable(team);
    const event = { team, response: "r-1", id: "event-disabled" };
    const id = await stage.route(event);
    expect(await outcomesOf(id, "disabled")).toEqual(["disabled"]);
    expect(attemptsOf(id)).toEqual([]);
    stage.manager.enable(team);
    await stage.route(event);
    expect(await stage.settled(id)).toBe("delivered");
  });

  test("routed by a table newer than this process's is not taken for disabled", async () => {
    const team = newTeam();
    stage.manager.disable(team);
    const before = await stage.route({ team, response: "r-0" });
    await outcomesOf(before, "disabled");
    stage.manager.enable(team);
    const id = await stage.route({ team, response: "r-1" });
    expect(await stage.settled(id)).toBe("delivered");
    expect(await outcomesOf(id, "delivered")).toEqual(["delivered"]);
  });

  test("of an older revision that comes late is superseded", async () => {
    const team = newTeam();
    const newer = await stage.route({ team, response: "r-1", revision: 2 });
    const older = await stage.route({ team, response: "r-1", revision: 1 });
    const other = await stage.route({ team, response: "r-2", revision: 1 });
    expect(await stage.settled(newer)).toBe("delivered");
    expect(await stage.settled(older)).toBe("superseded");
    expect(await stage.settled(other)).toBe("delivered");
    expect(attemptsOf(older)).toEqual([]);
  });

  test("waits behind an earlier one of the same response that is being retried, when neither says its revision", async () => {
    const team = newTeam();
    behave = async ({ event, attempt }) => (event.id === "first" && attempt < 3 ? retry("not yet", 100) : undefined);
    const first = await stage.route({ team, response: "r-1", id: "first" });
    const second = await stage.route({ team, response: "r-1", id: "second" });
    const elsewhere = await stage.route({ team, response: "r-2", id: "elsewhere" });
    expect(await stage.settled(second)).toBe("delivered");
    expect(await stage.settled(elsewhere)).toBe("delivered");
    const ofResponse = seen.filter(({ event }) => event.responseId === "r-1").map(({ event }) => event.id);
    expect(ofResponse).toEqual(["first", "first", "first", "second"]);
    expect(await stage.settled(first)).toBe("delivered");
  });

  test("of a newer revision overtakes an older one that is being retried, which is then superseded", async () => {
    const team = newTeam();
    behave = async ({ event }) => (event.revision === 1 ? retry("never", 300) : undefined);
    const older = await stage.route({ team, response: "r-1", revision: 1 });
    const newer = await stage.route({ team, response: "r-1", revision: 2 });
    expect(await stage.settled(newer)).toBe("delivered");
    expect(await stage.settled(older)).toBe("superseded");
  });

  test("can be flagged: the command reaches the core's topic with a deterministic id", async () => {
    behave = async ({ event }, context) => {
      await context.flag(event, [{ rule: "savings", message: "more saved than earned", fields: ["savings"] }]);
      return undefined;
    };
    const id = await stage.route({ team: newTeam(), response: "r-1", revision: 4 });
    expect(await stage.settled(id)).toBe("delivered");
    const [command] = (await stage.records(stage.topics.commands)).map(({ value }) => JSON.parse(String(value)));
    expect(command).toMatchObject({ type: "flag-response", plugin: "probe", responseId: "r-1", revision: 4 });
    expect(command.id).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe("a record that is no event", () => {
  test("becomes a dead letter with what is wrong, and what follows it is delivered", async () => {
    const team = newTeam();
    await stage.producer.send(stage.topics.live, [{ key: "k", value: '{"half', headers: { mark: "malformed" } }]);
    const id = await stage.route({ team, response: "r-1" });
    expect(await stage.settled(id)).toBe("delivered");
    const letter = await waitUntil("the dead letter", WAIT_MS, async () =>
      (await stage.records(stage.topics.deadLetter)).find((record) => stage.header(record, "mark") === "malformed"),
    );
    expect(String(letter.value)).toBe('{"half');
    expect(stage.header(letter, "pb-dead-letter-reason")).toBe("not-json");
    expect(stage.header(letter, "pb-origin")).toMatch(new RegExp(`^${stage.topics.live}/0/\\d+$`));
  });
});

test("the metrics tell deliveries by outcome, attempts, identity hits and dead letters", async () => {
  const text = await (await fetch(`${plugin.url}/metrics`)).text();
  expect(text).toMatch(/plugin_deliveries_total\{outcome="delivered",plugin="probe"\} [1-9]/);
  expect(text).toMatch(/plugin_identity_hits_total\{plugin="probe"\} [1-9]/);
  expect(text).toMatch(/plugin_dead_letters_total\{reason="rejected",plugin="probe"\} 1/);
  expect(text).toMatch(/plugin_attempt_duration_seconds_count/);
  expect(text).toMatch(/plugin_lag_records\{lane="live",partition="0"/);
});
