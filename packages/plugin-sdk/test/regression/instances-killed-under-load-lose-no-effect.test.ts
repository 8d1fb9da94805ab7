import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { startProcess, waitUntil } from "@plugboard/stack";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 90_000;
const DELIVERIES = 240;
const TEAMS = 8;
const KILLS = 2;
/** Under way in one process when it is killed; each may have had its effect. */
const CONCURRENCY = 16;
/** Longer than a window waits for a handler, so that attempts go on beside their window when the process is killed. */
const SLOW_MS = 4_000;
let stage: PluginStage;
let sink: Server;
let effects: Map<string, number>;

beforeEach(async () => {
  stage = await openStage("sink", 3);
  effects = new Map();
  sink = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { id, team } = JSON.parse(Buffer.concat(chunks).toString()) as { id: string; team: string };
      setTimeout(
        () => {
          effects.set(id, (effects.get(id) ?? 0) + 1);
          response.end();
        },
        team === "team-0" ? SLOW_MS : 5,
      );
    });
  });
  await new Promise<void>((resolve) => sink.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  sink.closeAllConnections();
  await new Promise((resolve) => sink.close(resolve));
  await stage.close();
});

const start = () =>
  startProcess({
    entry: "packages/plugin-sdk/test/support/sink-plugin.ts",
    name: "sink",
    env: stage.environment({
      SINK_URL: `http://127.0.0.1:${(sink.address() as AddressInfo).port}`,
      LOG_LEVEL: "warn",
    }),
  });

describe("instances killed under load", () => {
  test("lose no effect and blame no delivery: every one reaches the HTTP sink, and is settled as delivered", async () => {
    for (let team = 0; team < TEAMS; team += 1) stage.manager.enable(`team-${team}`);
    const ids = new Set<string>();
    let running = [await start(), await start()];
    for (let index = 0; index < DELIVERIES; index += 1) {
      // A slow team's twentieth of the load.
      const team = index % 20 === 0 ? 0 : 1 + (index % (TEAMS - 1));
      ids.add(await stage.route({ team: `team-${team}`, response: `r-${index}`, revision: 1 }));
      if (index % (DELIVERIES / KILLS) === 99) {
        const before = effects.size;
        await waitUntil("it is under load", WAIT_MS, () => (effects.size > before ? true : undefined));
        const [victim, ...others] = running;
        await victim?.kill("SIGKILL");
        running = [...others, await start()];
      }
    }
    try {
      const unsettled = async () =>
        ids.size -
        (await stage.query("SELECT 1 FROM deliveries WHERE state = 'settled' AND id = ANY ($1)", [[...ids]])).length;
      await waitUntil("all are settled", WAIT_MS, async () => ((await unsettled()) === 0 ? true : undefined));
      await stage.committed();
      expect(await stage.query("SELECT id, outcome, reason FROM deliveries WHERE outcome <> 'delivered'")).toEqual([]);
      expect([...ids].filter((id) => !effects.has(id))).toEqual([]);
      expect([...effects.values()].reduce((sum, times) => sum + times - 1, 0)).toBeLessThanOrEqual(KILLS * CONCURRENCY);
      expect(await stage.query("SELECT 1 FROM retries")).toEqual([]);
    } finally {
      for (const one of running) await one.kill("SIGTERM");
    }
  }, 240_000);
});
