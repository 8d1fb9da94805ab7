import { afterEach, describe, expect, test } from "@jest/globals";
import { waitUntil } from "@plugboard/stack";
import { z } from "zod";
import { definePlugin, delivered, rejected, retry, startPlugin } from "../../src/index.ts";
import { startHarness, testEvent } from "../../src/testing/index.ts";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 40_000;
const metadata = { id: "unrecorded", name: "Unrecorded", description: "", version: "1", events: ["onResponse"] };
const settings = z.object({});

/** Does what the event's data says; calls with `hang` wait for `released`. */
const unrecorded = (seen: string[] = [], released: Promise<void> = Promise.resolve()) =>
  definePlugin({
    metadata,
    settings,
    identity: "none",
    outcomes: "exceptions",
    revisions: "all",
    onEvent: async ({ data, event, attempt }, { transaction }) => {
      seen.push(event.id);
      if (data.hang === true) await released;
      if (data.answer === "rejected") return rejected("wrong data");
      if (data.answer === "transaction") await transaction(async () => {});
      if (data.until !== undefined && attempt < Number(data.until)) return retry("not yet");
      return delivered();
    },
  });

describe("a plugin that says identity: none", () => {
  const open: { close(): Promise<void> }[] = [];
  afterEach(() => Promise.all(open.splice(0).map((one) => one.close())));
  const harnessOf = async (plugin: ReturnType<typeof unrecorded>) => {
    const harness = await startHarness(plugin);
    open.push(harness);
    const rows = async () => (await harness.db.query("SELECT state, attempts FROM deliveries")).rows;
    return { harness, rows };
  };

  test("is called again for a copy, and an older revision, and leaves no record of what went well", async () => {
    const seen: string[] = [];
    const { harness, rows } = await harnessOf(unrecorded(seen));
    const event = testEvent({ response: "r-1", revision: 2 });
    for (const one of [event, event, { response: "r-1", revision: 1 }])
      expect(await harness.deliver(one)).toMatchObject({ outcome: "delivered", attempt: 1 });
    expect(seen).toHaveLength(3);
    expect(await rows()).toEqual([]);
  });

  test("has its failures tried again, counted on, and its dead letters written", async () => {
    const { harness, rows } = await harnessOf(unrecorded());
    expect(await harness.deliver({ data: { until: 3 } })).toMatchObject({ outcome: "retry", attempt: 1 });
    expect(await rows()).toEqual([{ state: "waiting", attempts: 1 }]);
    expect(await harness.advance(60_000)).toMatchObject([{ outcome: "retry", attempt: 2 }]);
    expect(await harness.advance(60_000)).toMatchObject([{ outcome: "delivered", attempt: 3 }]);
    expect(await harness.deliver({ data: { answer: "rejected" } })).toMatchObject({ outcome: "rejected" });
    expect(harness.deadLetters).toMatchObject([{ reason: "rejected", attempts: 1 }]);
    const { rows: waiting } = await harness.db.query("SELECT 1 FROM retries");
    expect(waiting).toEqual([]);
  });

  test("is told that it has no transaction", async () => {
    const { harness } = await harnessOf(unrecorded());
    expect(await harness.deliver({ data: { answer: "transaction" } })).toMatchObject({
      outcome: "retry",
      reason: expect.stringContaining("use context.db"),
    });
  });

  test("does not start with what needs a record, and says all of it", async () => {
    const plugin = definePlugin({
      metadata,
      settings,
      identity: "none",
      redeliver: "unsafe",
      resolveUnknown: async () => "not-done",
      onEvent: async () => delivered(),
    });
    const environment = {
      DATABASE_URL: "postgres://127.0.0.1:1/none",
      KAFKA_BROKERS: "127.0.0.1:1",
      MANAGER_TOKEN: "t",
    };
    await expect(startPlugin(plugin, environment)).rejects.toThrow(
      /\/revisions: .*say revisions: "all"\n.*\/redeliver: .*\n.*\/resolveUnknown: /,
    );
  });
});

describe("in its process", () => {
  let stage: PluginStage;
  afterEach(() => stage.close());
  const waitingRows = async () => (await stage.query("SELECT 1 FROM retries")).length;

  test("a team that hangs leaves its window to others, and what was stored of it goes when its calls have ended", async () => {
    stage = await openStage("unrecorded");
    const seen: string[] = [];
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    for (const team of ["hanging", "other"]) stage.manager.enable(team);
    await stage.start(unrecorded(seen, released));
    await stage.route({ team: "hanging", id: "hangs", data: { hang: true } });
    await stage.route({ team: "other", id: "goes on" });
    // Its offset has moved, though its handler has not ended: a crash would find it in the table.
    await stage.committed();
    expect(await waitingRows()).toBe(1);
    release();
    await waitUntil("the table is empty", WAIT_MS, async () => ((await waitingRows()) === 0 ? true : undefined));
    expect(seen.toSorted()).toEqual(["goes on", "hangs"]);
    expect(await stage.outcomes()).toEqual([]);
  }, 90_000);

  test("publishes what is not as usual: a retry, and the delivery that followed it", async () => {
    stage = await openStage("unrecorded");
    stage.manager.enable("team");
    await stage.start(unrecorded(), { PLUGIN_RETRY_DELAY_MS: "100" });
    await stage.route({ team: "team" });
    const id = await stage.route({ team: "team", data: { until: 2 } });
    const outcomes = await waitUntil("both outcomes are published", WAIT_MS, async () => {
      const all = await stage.outcomes();
      return all.length >= 2 ? all : undefined;
    });
    expect(outcomes.map(({ deliveryId, outcome, attempt }) => [deliveryId, outcome, attempt])).toEqual([
      [id, "retry", 1],
      [id, "delivered", 2],
    ]);
  });
});
