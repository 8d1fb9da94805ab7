import { afterEach, expect, test } from "@jest/globals";
import { z } from "zod";
import { definePlugin } from "../../src/index.ts";
import { type Harness, startHarness, type TestEnablement } from "../../src/testing/index.ts";

/** What handlers were called with, in order. */
let calls: string[] = [];
/** Thrown by the next calls. */
let failures = 0;

const settings = z.object({ sheet: z.string() });
const plugin = definePlugin({
  metadata: { id: "greeter", name: "Greeter", description: "", version: "1", events: ["onResponse"] },
  settings,
  onEnable: async ({ id, attempt }, { team, settings: { sheet } }) => note(`on ${team} ${id} ${attempt} ${sheet}`),
  onDisable: async ({ id, attempt }, { team, settings: given }) =>
    note(`off ${team} ${id} ${attempt} ${given?.sheet ?? "none"}`),
});

async function note(call: string): Promise<void> {
  calls.push(call);
  if (failures === 0) return;
  failures -= 1;
  throw new Error("the vendor is away");
}

let harness: Harness<typeof settings>;
afterEach(async () => {
  calls = [];
  failures = 0;
  await harness.close();
});

const done = (attempts: number): TestEnablement => ({ outcome: "done", attempts, reason: null });

test("each change is handled once, and the same change again asks for nothing", async () => {
  harness = await startHarness(plugin, { settings: { sheet: "s" } });
  expect(await harness.enable()).toEqual(done(1));
  await harness.enable();
  await harness.advance(60_000);
  expect(await harness.disable()).toEqual(done(1));
  expect(calls).toEqual(["on team-1 greeter.team-1.1 1 s", "off team-1 greeter.team-1.3 1 s"]);
});

test("what fails is tried again with the plugin's delays, under the same id, and given up after its attempts", async () => {
  harness = await startHarness(plugin, { settings: { sheet: "s" }, retries: { attemptsMax: 3 } });
  failures = 1;
  expect(await harness.enable()).toEqual({ outcome: "waiting", attempts: 1, reason: "the vendor is away" });
  await harness.advance(3_000);
  expect(await harness.enablement()).toMatchObject({ outcome: "done", attempts: 2 });
  failures = 3;
  await harness.disable();
  for (let hour = 0; hour < 5; hour += 1) await harness.advance(3_600_000);
  expect(await harness.enablement()).toEqual({ outcome: "failed", attempts: 3, reason: "the vendor is away" });
  expect(calls.map((call) => call.split(" ").slice(2, 4).join(" "))).toEqual([
    "greeter.team-1.1 1",
    "greeter.team-1.1 2",
    "greeter.team-1.2 1",
    "greeter.team-1.2 2",
    "greeter.team-1.2 3",
  ]);
});

test("onEnable waits for the team's settings; a team that never had any and leaves again is not told of", async () => {
  harness = await startHarness(plugin);
  expect(await harness.enable("red")).toEqual({ outcome: "waiting", attempts: 0, reason: null });
  await harness.enable("blue");
  await harness.configure({ sheet: "s" }, "red");
  expect(await harness.enablement("red")).toEqual(done(1));
  expect(await harness.disable("blue")).toEqual(done(0));
  expect(calls).toEqual(["on red greeter.red.1 1 s"]);
});

test("a change that was over before its turn is not handled, unless the one before it was begun", async () => {
  harness = await startHarness(plugin, { settings: { sheet: "s" } });
  await harness.enable();
  failures = 1;
  await harness.disable();
  // onDisable may have done something before it failed: the team is switched on again in any case.
  expect(await harness.enable()).toEqual(done(1));
  await harness.advance(3_600_000);
  expect(calls.map((call) => call.split(" ")[0])).toEqual(["on", "off", "on"]);
});

test("deliveries of a disabled team are dropped, also where the plugin has no handlers for that", async () => {
  const { onEnable: _, onDisable: __, ...without } = plugin;
  harness = await startHarness(definePlugin({ ...without, onEvent: async () => undefined }), {
    settings: { sheet: "s" },
  });
  expect(await harness.disable()).toEqual(done(0));
  expect((await harness.deliver({ response: "r" })).outcome).toBe("disabled");
});
