import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { waitUntil } from "@plugboard/stack";
import { z } from "zod";
import { definePlugin, type PluginDefinition } from "../../src/index.ts";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 30_000;
const settings = z.object({});
let stage: PluginStage;
beforeEach(async () => {
  stage = await openStage("stopper");
  stage.manager.enable("team-1");
});
afterEach(async () => {
  await stage.close();
});

type OnEvent = NonNullable<PluginDefinition<typeof settings>["onEvent"]>;
const plugin = (onEvent: OnEvent, more: Partial<PluginDefinition<typeof settings>> = {}) =>
  definePlugin({
    metadata: { id: "stopper", name: "Stopper", description: "", version: "1", events: ["onResponse"] },
    settings,
    onEvent,
    ...more,
  });

describe("a plugin that stops", () => {
  test("finishes what is under way, begins nothing new, commits and says goodbye", async () => {
    let finish: () => void = () => {};
    const begun: string[] = [];
    const running = await stage.start(
      plugin(async ({ event }) => {
        begun.push(event.id);
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        return undefined;
      }),
    );
    const first = await stage.route({ team: "team-1", response: "r-1", id: "first" });
    await stage.route({ team: "team-1", response: "r-1", id: "second" });
    await waitUntil("the first is under way", WAIT_MS, () => (begun.length === 1 ? true : undefined));
    const stopping = running.stop();
    finish();
    await stopping;
    expect(begun).toEqual(["first"]);
    expect(await stage.settled(first)).toBe("delivered");
    const [group] = await stage.admin.fetchOffsets({ groupId: `${stage.prefix}group`, topics: [stage.topics.live] });
    expect(group?.partitions[0]?.offset).toBe("1");
    expect(stage.manager.heardOf("DELETE", /\/v1\/plugins\/stopper\/instances\/i-[0-9a-f]+$/)).toHaveLength(1);
  });

  test("hands back what does not end in time, uncounted, and the next instance delivers it", async () => {
    let hang = true;
    const attempts: number[] = [];
    const definition = plugin(async ({ attempt }) => {
      attempts.push(attempt);
      if (hang) await new Promise(() => {});
      return undefined;
    });
    const running = await stage.start(definition, { PLUGIN_DRAIN_MS: "100" });
    const id = await stage.route({ team: "team-1", response: "r-1" });
    await waitUntil("it hangs", WAIT_MS, () => (attempts.length === 1 ? true : undefined));
    await running.stop();
    hang = false;
    await stage.start(definition);
    expect(await stage.settled(id)).toBe("delivered");
    expect(attempts).toEqual([1, 1]);
  });
});

describe("a handler that does not answer within its deadline", () => {
  test("is aborted and tried again when repeating is safe", async () => {
    let aborted = false;
    await stage.start(
      plugin(
        async ({ attempt }, { signal }) => {
          if (attempt === 1) {
            await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
            aborted = true;
          }
          return undefined;
        },
        { handlerDeadlineMs: 200 },
      ),
    );
    const id = await stage.route({ team: "team-1", response: "r-1" });
    expect(await stage.settled(id)).toBe("delivered");
    expect(aborted).toBe(true);
  });

  test("is recorded as unknown and not repeated when repeating is unsafe; others of its team go on", async () => {
    const attempts: string[] = [];
    await stage.start(
      plugin(
        async ({ event }) => {
          attempts.push(event.id);
          if (event.id === "lost") await new Promise(() => {});
          return undefined;
        },
        { handlerDeadlineMs: 200, redeliver: "unsafe" },
      ),
    );
    const lost = await stage.route({ team: "team-1", response: "r-1", id: "lost" });
    const fine = await stage.route({ team: "team-1", response: "r-2", id: "fine" });
    expect(await stage.settled(fine)).toBe("delivered");
    expect(await stage.settled(lost)).toBe("unknown");
    expect(attempts.filter((id) => id === "lost")).toHaveLength(1);
  });
});

describe("a plugin in maintenance", () => {
  test("handles nothing until it is over; what comes waits in its topic", async () => {
    const handled: string[] = [];
    stage.manager.pluginState = "disabled";
    await stage.start(
      plugin(async ({ id }) => {
        handled.push(id);
        return undefined;
      }),
    );
    const id = await stage.route({ team: "team-1", response: "r-1" });
    await waitUntil("the table was asked for the team", WAIT_MS, () =>
      stage.manager.heardOf("POST", /routes/).some(({ body }) => (body.teams as string[])?.includes("team-1"))
        ? true
        : undefined,
    );
    expect(handled).toEqual([]);
    expect(await stage.query("SELECT 1 FROM deliveries UNION ALL SELECT 1 FROM retries")).toEqual([]);
    stage.manager.pluginState = "enabled";
    expect(await stage.settled(id)).toBe("delivered");
    expect(handled).toEqual([id]);
  });
});
