import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { waitUntil } from "@plugboard/stack";
import { z } from "zod";
import { definePlugin } from "../../src/index.ts";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

/** Below the handlers' deadline: whoever waits for that is held up. */
const WAIT_MS = 40_000;
const OTHERS = 20;
let stage: PluginStage;
let handled: string[];
let release: () => void;
let released: Promise<void>;

beforeEach(async () => {
  stage = await openStage("patient", 3);
  handled = [];
  ({ promise: released, resolve: release } = Promise.withResolvers<void>());
});
afterEach(async () => {
  release();
  await stage.close();
});

const patient = definePlugin({
  metadata: { id: "patient", name: "Patient", description: "", version: "1", events: ["onResponse"] },
  settings: z.object({}),
  handlerDeadlineMs: 300_000,
  onEvent: async ({ team, event }, { db }) => {
    if (team.startsWith("hanging") && team !== "hanging-on-postgres") await released;
    if (team === "hanging-on-postgres") {
      const client = await db.connect();
      await released;
      client.release();
    } else await db.query("SELECT 1");
    handled.push(`${team}/${event.responseId}/${event.id}`);
    return undefined;
  },
});
const delivered = async (team: string) =>
  (await stage.query<{ id: string }>("SELECT id FROM deliveries WHERE outcome = 'delivered' AND team LIKE $1", [team]))
    .length;
const handledOf = (prefix: string) => handled.filter((one) => one.startsWith(prefix));

describe("a team whose handlers hang", () => {
  test("holds up no other team of the same partitions, and gets every delivery once and in order when they go on", async () => {
    stage.manager.enable("hanging");
    for (let other = 0; other < OTHERS; other += 1) stage.manager.enable(`other-${other}`);
    await stage.start(patient);
    for (let round = 0; round < 3; round += 1) {
      for (let index = 0; index < 40; index += 1) {
        await stage.route({ team: "hanging", response: `r-${index % 20}`, id: String(round * 40 + index) });
      }
      for (let other = 0; other < OTHERS; other += 1)
        await stage.route({ team: `other-${other}`, response: `o-${other}` });
      await waitUntil(`all others of round ${round} are delivered`, WAIT_MS, async () =>
        (await delivered("other-%")) === (round + 1) * OTHERS ? true : undefined,
      );
    }
    await stage.committed();
    expect(handledOf("hanging/")).toEqual([]);
    release();
    await waitUntil("the team that hung is served", WAIT_MS, async () =>
      (await delivered("hanging")) === 120 ? true : undefined,
    );
    expect(handledOf("hanging/")).toHaveLength(120);
    for (let response = 0; response < 20; response += 1) {
      const ids = handledOf(`hanging/r-${response}/`).map((one) => Number(one.split("/")[2]));
      expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    }
    await waitUntil("the due-time table is empty", WAIT_MS, async () =>
      (await stage.query("SELECT 1 FROM retries")).length === 0 ? true : undefined,
    );
  }, 180_000);

  test("and five more of them leave places for others", async () => {
    const hanging = Array.from({ length: 6 }, (_, index) => `hanging-${index}`);
    for (const team of [...hanging, "other-1"]) stage.manager.enable(team);
    await stage.start(patient, { PLUGIN_CONCURRENCY: "8" });
    for (let index = 0; index < 10; index += 1)
      for (const team of hanging) await stage.route({ team, response: `${team}-${index}` });
    for (let index = 0; index < 10; index += 1) await stage.route({ team: "other-1", response: `o-${index}` });
    // Six times four calls hang, and there are eight places. Their deadline is five minutes away.
    await waitUntil("the other is served", 3 * WAIT_MS, async () =>
      (await delivered("other-1")) === 10 ? true : undefined,
    );
    expect(handledOf("hanging-")).toEqual([]);
  }, 180_000);

  test("leaves connections to Postgres for the handlers of others", async () => {
    stage.manager.enable("hanging-on-postgres");
    stage.manager.enable("other-1");
    await stage.start(patient);
    for (let index = 0; index < 30; index += 1) {
      await stage.route({ team: "hanging-on-postgres", response: `r-${index}` });
    }
    for (let index = 0; index < 10; index += 1) await stage.route({ team: "other-1", response: `o-${index}` });
    await waitUntil("the other is served", WAIT_MS, async () =>
      (await delivered("other-1")) === 10 ? true : undefined,
    );
    const retried = await stage.query("SELECT 1 FROM deliveries WHERE team = 'other-1' AND attempts > 1");
    expect(retried).toEqual([]);
  });
});
