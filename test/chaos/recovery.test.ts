import { describe, expect, test } from "@jest/globals";
import { bystanders } from "./bystanders.ts";
import type { GroupSight } from "./group-watch.ts";
import type { CopyRecord, InputRecord } from "./history.ts";
import type { FaultWindow } from "./journal.ts";
import { type Measured, recoveries, summarize } from "./recovery.ts";

const START = 1_000_000;

/** Milliseconds after the start at which an event was due, was stored, and had its copy. */
type Way = readonly [dueMs: number, storedMs: number, copiedMs: number];

function measuredOf(ways: readonly Way[], more: Partial<Measured> = {}): Measured {
  const inputs = ways.map(
    ([, storedMs], offset): InputRecord => ({
      origin: `responses/0/${offset}`,
      partition: 0,
      offset,
      id: `key.${offset}`,
      key: "key",
      team: "team",
      appendedAt: START + storedMs,
      bytes: 100,
      priority: null,
    }),
  );
  const copies = inputs.map((input, index) => copyOf(input, ways[index]?.[2] ?? 0));
  const due = new Map(ways.map(([dueMs], index) => [`key.${index}`, START + dueMs]));
  return { windows: [windowOf()], inputs, copies, steadyPlugin: "steady", due, sights: [], ...more };
}

function copyOf(input: InputRecord, copiedMs: number, change: Partial<CopyRecord> = {}): CopyRecord {
  return {
    plugin: "steady",
    lane: "live",
    partition: 0,
    offset: input.offset,
    origin: input.origin,
    delivery: `steady ${input.id}`,
    team: "team",
    appendedAt: START + copiedMs,
    routedAt: START + copiedMs,
    parked: false,
    ...change,
  };
}

function windowOf(change: Partial<FaultWindow> = {}): FaultWindow {
  const times = { injectedAt: START + 10_000, healedAt: START + 20_000, settledAt: START + 30_000 };
  return { fault: "fault", losesMember: false, standing: false, ...times, ...change };
}

/** One event every 100 ms for forty seconds, each with its copy after 20 ms. */
const steady: Way[] = Array.from({ length: 400 }, (_, index) => [index * 100, index * 100 + 5, index * 100 + 20]);

/** The same, but nothing is stored, or routed, between two times. */
function held(what: "stored" | "routed", fromMs: number, untilMs: number): Way[] {
  const wait = (ms: number) => (ms >= fromMs && ms < untilMs ? untilMs : ms);
  return steady.map(([due, stored, copied]) =>
    what === "stored" ? [due, wait(stored), Math.max(wait(stored), copied)] : [due, stored, wait(copied)],
  );
}

describe("the measure of recovery", () => {
  test("is nothing where nobody felt anything", () => {
    expect(recoveries(measuredOf(steady))).toMatchObject([
      { clusterMs: 0, pausedMs: 15, beyondMs: 15, caughtUpMs: 0, longestDelayMs: 20 },
    ]);
  });

  test("counts from when a partition stood still to its next copy, beyond the cluster's own", () => {
    const [routed] = recoveries(measuredOf(held("routed", 11_000, 17_000)));
    // From the first event that was stored and waited.
    expect(routed).toMatchObject({ clusterMs: 0, pausedMs: 5_995, beyondMs: 5_995, caughtUpMs: 7_000 });
    // What was not stored could not be routed.
    const [stored] = recoveries(measuredOf(held("stored", 11_000, 17_000)));
    expect(stored).toMatchObject({ clusterMs: 6_000, pausedMs: 15, beyondMs: 0, caughtUpMs: 7_000 });
  });

  test("counts from the heal where nobody can do anything before", () => {
    const measured = measuredOf(held("routed", 11_000, 22_000));
    expect(recoveries(measured)).toMatchObject([{ pausedMs: 22_000 - 11_005 }]);
    expect(recoveries({ ...measured, windows: [windowOf({ standing: true })] })).toMatchObject([{ pausedMs: 2_000 }]);
  });

  test("tells the next copy from all that had piled up", () => {
    // From 11 s on nothing comes until 15 s; then it goes on, and what was due in between is ten seconds late.
    const ways = held("routed", 11_000, 15_000).map(
      ([due, stored, copied]): Way =>
        due >= 14_000 && due < 15_000 ? [due, stored, due + 10_100] : [due, stored, copied],
    );
    expect(recoveries(measuredOf(ways))).toMatchObject([{ pausedMs: 3_995, caughtUpMs: 15_000 }]);
  });

  test("takes the group's coordinator, and its time to let a lost member go, for the cluster's own", () => {
    const sight = (ms: number, members: string[] | undefined): GroupSight => ({ at: START + ms, members });
    const away = [
      sight(9_900, ["a", "b"]),
      sight(10_100, undefined),
      sight(12_000, undefined),
      sight(12_200, ["a", "b"]),
    ];
    expect(recoveries(measuredOf(steady, { sights: away }))).toMatchObject([{ clusterMs: 2_100 }]);
    const gone = [sight(9_900, ["a", "b"]), sight(15_000, ["a", "b"]), sight(19_000, ["b", "c"])];
    expect(recoveries(measuredOf(steady, { sights: gone }))).toMatchObject([{ clusterMs: 0 }]);
    const windows = [windowOf({ losesMember: true })];
    expect(recoveries(measuredOf(steady, { sights: gone, windows }))).toMatchObject([{ clusterMs: 9_000 }]);
  });

  test("says when the last parked copy was back", () => {
    const measured = measuredOf(steady);
    const [input] = measured.inputs as [InputRecord];
    const [parked, back] = [
      copyOf(input, 15_000, { parked: true, plugin: "other", delivery: "other" }),
      copyOf(input, 24_000, { plugin: "other", delivery: "other" }),
    ];
    expect(recoveries(measured)[0]?.parkedBackMs).toBeUndefined();
    expect(recoveries({ ...measured, copies: [...measured.copies, parked, back] })).toMatchObject([
      { parkedBackMs: 4_000 },
    ]);
  });

  test("sums up repetitions by their median and their most", () => {
    const [one] = recoveries(measuredOf(steady)) as [ReturnType<typeof recoveries>[number]];
    const list = [3, 1, 2].map((beyondMs) => ({ ...one, beyondMs }));
    const [summary, other] = summarize([...list, { ...one, fault: "another" }]);
    expect(summary).toMatchObject({ fault: "fault", times: 3, figures: { beyondMs: [2, 3], parkedBackMs: undefined } });
    expect(other).toMatchObject({ fault: "another", times: 1 });
  });
});

describe("the measure of what others feel", () => {
  test("compares the other plugins before and during, without the one in trouble and what is parked", () => {
    const slow = steady.map(([due, stored, copied]): Way => [due, stored, due >= 10_000 ? copied + 100 : copied]);
    const measured = measuredOf(slow);
    const [input] = measured.inputs as [InputRecord];
    const late = copyOf(input, 90_000, { plugin: "fragile", delivery: "fragile" });
    const parked = copyOf(input, 90_000, { plugin: "other", delivery: "other", parked: true });
    const all = { ...measured, copies: [...measured.copies, late, parked] };
    expect(bystanders(all, { fault: "fault", plugin: "fragile", beforeMs: 10_000, failOverMs: 2_000 })).toEqual([
      {
        fault: "fault",
        injectedAt: START + 10_000,
        before: { copies: 100, p50: 20, p99: 20 },
        during: { copies: 80, p50: 120, p99: 120 },
      },
    ]);
    expect(bystanders(all, { fault: "another", plugin: "fragile", beforeMs: 10_000, failOverMs: 2_000 })).toEqual([]);
  });
});
