import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { freePorts, testEnvironment, waitUntil } from "@plugboard/stack";
import { z } from "zod";
import { definePlugin, delivered, redis, resource, startPlugin } from "../../src/index.ts";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 40_000;
const metadata = { id: "phased", name: "Phased", description: "", version: "1", events: ["onResponse"] };

describe("the phases of a plugin's process", () => {
  let stage: PluginStage;
  beforeEach(async () => {
    stage = await openStage("phased");
    stage.manager.enable("team-1");
  });
  afterEach(() => stage.close());

  test("follow each other: resources before preStart, onStart before deliveries, onStop after them, then resources close", async () => {
    const story: string[] = [];
    let finish: () => void = () => {};
    const plugin = await stage.start(
      definePlugin({
        metadata,
        settings: z.object({}),
        migrations: ["CREATE TABLE steps (step text)"],
        resources: {
          thing: resource({
            prefix: "THING",
            open: () => {
              story.push("opened");
              return "the thing";
            },
            close: () => void story.push("closed"),
          }),
          cache: redis("CACHE"),
        },
        preStart: async ({ db, resources }) => {
          await db.query("INSERT INTO steps VALUES ('preStart')");
          story.push(`preStart with ${resources.thing}`);
        },
        onStart: async ({ resources }) => void story.push(`onStart, ${await resources.cache.ping()}`),
        onStop: async ({ db, resources }) => {
          const { rows } = await db.query("SELECT step FROM steps");
          story.push(`onStop with ${resources.thing} and ${rows.length} row`);
        },
        onEvent: async () => {
          story.push("begun");
          await new Promise<void>((resolve) => {
            finish = resolve;
          });
          story.push("delivered");
          return delivered();
        },
      }),
      { PHASED_CACHE_URL: testEnvironment().redisUrl, PLUGIN_DRAIN_MS: "30000" },
    );
    const before = ["opened", "preStart with the thing", "onStart, PONG"];
    expect(story).toEqual(before);
    const { checks } = (await (await fetch(`${plugin.url}/readyz`)).json()) as { checks: object[] };
    expect(checks).toContainEqual({ name: "phase", critical: true, problem: null, state: "running" });
    const metrics = await (await fetch(`${plugin.url}/metrics`)).text();
    expect(metrics).toMatch(/plugin_phase\{phase="running",plugin="phased"\} 1/);
    expect(metrics).toMatch(/plugin_phase_seconds\{phase="pre-start",plugin="phased"\} (?!0\n)/);

    const id = await stage.route({ team: "team-1", response: "r-1" });
    await waitUntil("the handler is at it", WAIT_MS, () => (story.includes("begun") ? true : undefined));
    const stopping = plugin.stop();
    finish();
    await stopping;
    expect(story).toEqual([...before, "begun", "delivered", "onStop with the thing and 1 row", "closed"]);
    expect(await stage.settled(id)).toBe("delivered");
  });

  test("answer over HTTP while they take their time: alive, not ready, and in which phase", async () => {
    const [port = 0] = await freePorts(1);
    const gate = Promise.withResolvers<void>();
    const starting = startPlugin(
      definePlugin({
        metadata,
        settings: z.object({}),
        preStart: () => gate.promise,
        onEvent: async () => delivered(),
      }),
      stage.environment({ PORT: String(port) }),
    );
    const answer = (path: string) => fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
    const checks = await waitUntil("it says where it is", WAIT_MS, async () => {
      const ready = await answer("/readyz");
      if (ready?.status !== 503) return undefined;
      return ((await ready.json()) as { checks: object[] }).checks;
    });
    expect((await answer("/healthz"))?.status).toBe(200);
    expect(checks).toContainEqual({
      name: "phase",
      critical: true,
      problem: "the process is in the phase pre-start",
      state: "pre-start",
    });
    gate.resolve();
    await (await starting).stop();
  });

  test("have a deadline each: a step that hangs fails the start, and what was opened is closed", async () => {
    let closed = false;
    const plugin = definePlugin({
      metadata,
      settings: z.object({}),
      resources: {
        thing: resource({
          prefix: "THING",
          open: () => "the thing",
          close: () => {
            closed = true;
          },
        }),
      },
      onStart: () => new Promise(() => {}),
    });
    const start = startPlugin(plugin, stage.environment({ PLUGIN_START_MS: "10000" }));
    await expect(start).rejects.toThrow(/no answer within 10000 ms|plugin did not start within \d+ ms/);
    expect(closed).toBe(true);
  });

  test("a step that throws fails the start with its reason", async () => {
    const plugin = definePlugin({
      metadata,
      settings: z.object({}),
      preStart: async () => {
        throw new Error("no licence");
      },
    });
    await expect(startPlugin(plugin, stage.environment())).rejects.toThrow("no licence");
  });
});
