import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { waitUntil } from "@plugboard/stack";
import { z } from "zod";
import { type Delivery, definePlugin, delivered, type Outcome, rejected, retry, startPlugin } from "../../src/index.ts";
import { type Harness, startHarness } from "../../src/testing/index.ts";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 40_000;
const metadata = {
  id: "batched",
  name: "Batched",
  description: "",
  version: "1",
  events: ["onResponse", "onResponseUpdate"],
};
const settings = z.object({});

/** A plugin whose batches are written down; an answer other than delivered stands in the event's data. */
function writer(
  batches: Delivery[][],
  batch: { itemsMax?: number; waitMsMax?: number } = {},
  work: (deliveries: readonly Delivery[]) => Promise<void> = async () => {},
) {
  return definePlugin({
    metadata,
    settings,
    batch,
    onBatch: async (deliveries) => {
      batches.push([...deliveries]);
      await work(deliveries);
      return deliveries.map(({ data, attempt }): Outcome => {
        if (data.answer === "rejected") return rejected("wrong data");
        return data.answer === "retry" && attempt === 1 ? retry("not yet") : delivered();
      });
    },
  });
}

describe("batches", () => {
  const open: Harness<typeof settings>[] = [];
  const harnessOf = async (plugin: Parameters<typeof startHarness<typeof settings, Record<never, never>>>[0]) => {
    const harness = await startHarness(plugin);
    open.push(harness);
    return harness;
  };
  afterEach(() => Promise.all(open.splice(0).map((one) => one.close())));
  const sizes = (batches: Delivery[][]) => batches.map(({ length }) => length).sort();

  test("have one team and one event each, and no more than their size", async () => {
    const batches: Delivery[][] = [];
    const harness = await harnessOf(writer(batches, { itemsMax: 4, waitMsMax: 2_000 }));
    const of = (team: string, type: string, count: number) => Array.from({ length: count }, () => ({ team, type }));
    const events = [
      ...of("team-1", "onResponse", 6),
      ...of("team-1", "onResponseUpdate", 2),
      ...of("team-2", "onResponse", 3),
    ];
    const outcomes = await harness.deliverAll(events);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(events.map(() => "delivered"));
    for (const batch of batches) {
      expect(new Set(batch.map(({ team, event }) => `${team} ${event.type}`)).size).toBe(1);
    }
    expect(sizes(batches)).toEqual([2, 2, 3, 4]);
  });

  test("have an outcome for each delivery: one that is retried or rejected does not touch the others", async () => {
    const batches: Delivery[][] = [];
    const harness = await harnessOf(writer(batches, { waitMsMax: 2_000 }));
    const answers = [undefined, "rejected", "retry", undefined];
    const outcomes = await harness.deliverAll(answers.map((answer) => ({ data: { answer } })));
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(["delivered", "rejected", "retry", "delivered"]);
    expect(sizes(batches)).toEqual([4]);
    expect(await harness.advance(60_000)).toMatchObject([
      { deliveryId: outcomes[2]?.deliveryId, outcome: "delivered" },
    ]);
    expect(harness.deadLetters).toMatchObject([{ deliveryId: outcomes[1]?.deliveryId }]);
  });

  test("leave out what needs no handler: copies and older revisions", async () => {
    const batches: Delivery[][] = [];
    const harness = await harnessOf(writer(batches, { waitMsMax: 2_000 }));
    await harness.deliver({ id: "known", response: "r-1", revision: 2 });
    const outcomes = await harness.deliverAll([
      { id: "known", response: "r-1", revision: 2 },
      { id: "older", response: "r-1", revision: 1 },
      { id: "new", response: "r-2" },
    ]);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(["duplicate", "superseded", "delivered"]);
    expect(batches.map((batch) => batch.map(({ event }) => event.id))).toEqual([["known"], ["new"]]);
  });

  test("that throw, or answer too few outcomes, are retried whole", async () => {
    let answer: () => Promise<readonly Outcome[] | undefined> = () => Promise.reject(new Error("broken"));
    const harness = await harnessOf(
      definePlugin({ metadata, settings, batch: { waitMsMax: 2_000 }, onBatch: () => answer() }),
    );
    const thrown = await harness.deliverAll([{}, {}]);
    expect(thrown).toMatchObject([
      { outcome: "retry", reason: "broken" },
      { outcome: "retry", reason: "broken" },
    ]);
    answer = async () => [delivered()];
    expect(await harness.advance(60_000)).toMatchObject([
      { outcome: "retry", reason: "onBatch answered 1 outcomes for 2 deliveries" },
      { outcome: "retry" },
    ]);
    answer = async () => undefined;
    expect(await harness.advance(60_000)).toMatchObject([{ outcome: "delivered" }, { outcome: "delivered" }]);
  });

  test("are refused beside onEvent, and beyond their limits: the author's mistake, every problem at once", async () => {
    const both = definePlugin({
      metadata,
      settings,
      batch: { itemsMax: 0, waitMsMax: 60_000 },
      onEvent: async () => delivered(),
      onBatch: async () => undefined,
    });
    const environment = {
      DATABASE_URL: "postgres://127.0.0.1:1/none",
      KAFKA_BROKERS: "127.0.0.1:1",
      MANAGER_TOKEN: "t",
    };
    await expect(startPlugin(both, environment)).rejects.toThrow(
      /\/onBatch: is there beside onEvent.*\n.*\/batch\/itemsMax: must be 1 to 500\n.*\/batch\/waitMsMax: must be 0 to 2000/,
    );
  });
});

describe("a plugin with batches in its process", () => {
  let stage: PluginStage;
  beforeEach(async () => {
    stage = await openStage("batched");
    for (const team of ["team-1", "team-2", "hanging"]) stage.manager.enable(team);
  });
  afterEach(() => stage.close());

  test("gets what the topic holds in batches, each delivery once, and commits behind them", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 120; n += 1) ids.push(await stage.route({ team: `team-${(n % 2) + 1}`, response: `r-${n}` }));
    const batches: Delivery[][] = [];
    await stage.start(writer(batches, { itemsMax: 20, waitMsMax: 2_000 }));
    await stage.committed();
    const handled = batches.flat().map(({ id }) => id);
    expect([...handled].sort()).toEqual([...ids].sort());
    expect(Math.max(...batches.map(({ length }) => length))).toBeLessThanOrEqual(20);
    const outcomes = await waitUntil("all outcomes are published", WAIT_MS, async () => {
      const published = await stage.outcomes();
      return published.length >= ids.length ? published : undefined;
    });
    expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(["delivered"]));
  });

  test("keeps two events of one response in order, in batches of their own", async () => {
    const batches: Delivery[][] = [];
    const first = await stage.route({ team: "team-1", response: "r-1", revision: 1 });
    const second = await stage.route({ team: "team-1", response: "r-1", revision: 2 });
    await stage.start(writer(batches, { waitMsMax: 200 }));
    expect([await stage.settled(first), await stage.settled(second)]).toEqual(["delivered", "delivered"]);
    expect(batches.map((batch) => batch.map(({ event }) => event.revision))).toEqual([[1], [2]]);
  });

  test("whose batches of one team hang goes on with the others, and loses nothing", async () => {
    const batches: Delivery[][] = [];
    const release = Promise.withResolvers<void>();
    const hangs = async ([first]: readonly Delivery[]) =>
      first?.team === "hanging" ? await release.promise : undefined;
    const hanging: string[] = [];
    for (let n = 0; n < 12; n += 1) hanging.push(await stage.route({ team: "hanging", response: `h-${n}` }));
    const others: string[] = [];
    for (let n = 0; n < 12; n += 1) others.push(await stage.route({ team: "team-1", response: `o-${n}` }));
    await stage.start(writer(batches, { itemsMax: 2, waitMsMax: 50 }, hangs), { PLUGIN_CONCURRENCY: "4" });
    for (const id of others) expect(await stage.settled(id)).toBe("delivered");
    release.resolve();
    for (const id of hanging) expect(await stage.settled(id)).toBe("delivered");
    const counted = batches.flat().filter(({ team, attempt }) => team === "hanging" && attempt === 1);
    expect(new Set(counted.map(({ id }) => id)).size).toBe(hanging.length);
  });
});
