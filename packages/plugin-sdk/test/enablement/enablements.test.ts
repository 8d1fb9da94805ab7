import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { waitUntil } from "@plugboard/stack";
import { z } from "zod";
import { definePlugin, type RunningPlugin } from "../../src/index.ts";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 30_000;
let stage: PluginStage;
let instances: RunningPlugin[];
/** What handlers were called with, and how each call goes on. */
const calls: string[] = [];
let next: (signal: AbortSignal) => Promise<void> = async () => {};

const definition = definePlugin({
  metadata: { id: "switched", name: "Switched", description: "", version: "1", events: ["onResponse"] },
  settings: z.object({ greeting: z.string().default("hello") }),
  onEvent: async () => undefined,
  onEnable: async ({ id }, { settings, signal }) => {
    calls.push(`on ${id} ${settings.greeting}`);
    await next(signal);
  },
  onDisable: async ({ id }, { signal }) => {
    calls.push(`off ${id}`);
    await next(signal);
  },
});

beforeAll(async () => {
  stage = await openStage("switched");
  instances = [await stage.start(definition, { PLUGIN_DRAIN_MS: "100" }), await stage.start(definition)];
});
afterAll(() => stage.close());
beforeEach(() => {
  calls.length = 0;
  next = async () => {};
});

const tell = async (team: string, version: number, enabled: boolean) => {
  const answers = instances.map(({ url }) => stage.manager.call(url, "/enablement", { team, version, enabled }));
  return (await Promise.all(answers)).map(({ status, body }) => [status, body.status, body.version]);
};
const done = (team: string, version: number) =>
  waitUntil(
    `change ${version} of ${team} is done`,
    WAIT_MS,
    async () =>
      (await tell(team, version, version % 2 === 1)).every(([, status, of]) => status === "done" && of === version) ||
      undefined,
  );

test("it registers for them, and instances that are all told of a change handle it once", async () => {
  expect(stage.manager.heardOf("PUT", /\/v1\/plugins\/switched$/)[0]?.body.enablements).toBe(true);
  await tell("red", 1, true);
  await done("red", 1);
  await tell("red", 2, false);
  await done("red", 2);
  expect(await tell("red", 1, true)).toEqual([
    [200, "done", 2],
    [200, "done", 2],
  ]);
  expect(calls).toEqual(["on switched.red.1 hello", "off switched.red.2"]);
});

test("a team's newer change waits for the handler of the one before", async () => {
  const gate = Promise.withResolvers<void>();
  next = () => gate.promise;
  await tell("green", 1, true);
  await waitUntil("it is called", WAIT_MS, () => calls.length === 1 || undefined);
  expect(await tell("green", 2, false)).toEqual([
    [200, "working", 2],
    [200, "working", 2],
  ]);
  await tell("blue", 1, true);
  await waitUntil("another team's is called meanwhile", WAIT_MS, () => calls.length === 2 || undefined);
  expect(calls).toEqual(["on switched.green.1 hello", "on switched.blue.1 hello"]);
  gate.resolve();
  await done("green", 2);
  expect(calls.at(-1)).toBe("off switched.green.2");
});

test("an instance that stops hands back what it has begun, and another one handles it, under the same id", async () => {
  const [first, second] = instances;
  if (first === undefined || second === undefined) throw new Error("two instances");
  next = (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  // Only one of them can take it: the other one takes no more than the first left.
  await tell("grey", 1, true);
  await waitUntil("it is called", WAIT_MS, () => calls.length === 1 || undefined);
  const attempts = async () =>
    (await stage.query<{ attempts: number }>("SELECT attempts FROM sdk_enablements WHERE team = 'grey'"))[0]?.attempts;
  expect(await attempts()).toBe(1);
  await first.stop();
  instances = [second];
  next = async () => {};
  await second.stop();
  instances = [await stage.start(definition)];
  await done("grey", 1);
  expect(new Set(calls)).toEqual(new Set(["on switched.grey.1 hello"]));
  expect(calls.length).toBeGreaterThan(1);
  expect(await attempts()).toBe(1);
});

test("a plugin that lost its database handles a change that it is told of, and none that the manager knows to be done", async () => {
  await stage.query("TRUNCATE sdk_enablements");
  await tell("red", 4, false);
  await waitUntil("it is called", WAIT_MS, () => calls.includes("off switched.red.4") || undefined);
  expect(calls).toEqual(["off switched.red.4"]);
});
