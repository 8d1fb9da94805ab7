import { describe, expect, test } from "@jest/globals";
import { deliveryId } from "@plugboard/contract";
import { checkHistory } from "./check-history.ts";
import type { CopyRecord, Findings, History, InputRecord } from "./history.ts";

const START = 1_000_000;
const TEAM = "team-a";

/** Events of one key, one a second, in one partition. */
const inputs: InputRecord[] = Array.from({ length: 5 }, (_, offset) => ({
  origin: `responses/0/${offset}`,
  partition: 0,
  offset,
  id: `key.${offset}`,
  key: "key",
  team: TEAM,
  appendedAt: START + offset * 1_000,
  bytes: 100,
  priority: null,
}));

function copyOf(input: InputRecord, change: Partial<CopyRecord> = {}): CopyRecord {
  const plugin = change.plugin ?? "steady";
  return {
    plugin,
    lane: "live",
    partition: 0,
    offset: input.offset,
    origin: input.origin,
    delivery: deliveryId(input.team, plugin, "test", input.id),
    team: input.team,
    appendedAt: input.appendedAt + 10,
    routedAt: input.appendedAt + 5,
    parked: false,
    ...change,
  };
}

const whole: History = {
  delivery: "at-least-once",
  source: "test",
  inputs,
  committed: new Map([[0, inputs.length]]),
  acknowledged: new Set(inputs.map(({ id }) => id)),
  copies: inputs.map((input) => copyOf(input)),
  deadLetters: [],
  poison: [],
  enabled: { [TEAM]: ["steady"], "team-none": [] },
  limited: { [TEAM]: ["limited"] },
  inFlightBytesMax: 1_000,
  steadyPlugin: "steady",
  changes: [],
  windows: [],
  disturbances: [],
  deletions: [],
};

/** What is found in a history that differs from the whole one, without what is not found. */
function found(change: Partial<History>): Partial<Findings> {
  const { repeatedBytesMax: _, ...findings } = checkHistory({ ...whole, ...change });
  return Object.fromEntries(
    Object.entries(findings).filter(([, value]) => (value as { length?: number }).length !== 0 && value !== 0),
  );
}

const [first, second, third] = inputs as [InputRecord, InputRecord, InputRecord];

describe("the checker of histories", () => {
  test("finds nothing in a whole one", () => {
    expect(found({})).toEqual({});
  });

  test("finds a copy that is missing, unless it went with its topic", () => {
    const copies = whole.copies.slice(1);
    expect(found({ copies })).toEqual({ lost: [`steady ${first.origin}`] });
    expect(found({ copies, deletions: [{ plugin: "steady", until: first.appendedAt }] })).toEqual({});
  });

  test("finds a parked copy that is not in its own topic, and takes one that is for what it is: late", () => {
    const parked = copyOf(first, { parked: true });
    const rest = whole.copies.slice(1);
    expect(found({ copies: [...rest, parked] })).toEqual({ notReturned: [`steady ${first.origin}`] });
    const deletions = [{ plugin: "steady", until: first.appendedAt }];
    expect(found({ copies: [...rest, parked], deletions })).toEqual({});
    const back = (input: InputRecord) => copyOf(input, { appendedAt: START + 90_000, offset: 10 + input.offset });
    expect(found({ copies: [...rest, back(first), parked], delivery: "exactly-once" })).toEqual({});
    // Among themselves they keep their order.
    const both = [parked, copyOf(second, { parked: true })];
    const late = whole.copies.slice(2);
    expect(found({ copies: [...late, back(first), back(second), ...both] })).toEqual({});
    expect(found({ copies: [...late, back(second), back(first), ...both] })).toEqual({
      orderBreaks: [`steady ${first.origin}`],
    });
  });

  test("takes copies that are returned twice for right when something had them parked twice", () => {
    const parked = copyOf(first, { parked: true });
    const again = { ...parked, appendedAt: first.appendedAt + 2_000 };
    const back = [80_000, 80_010].map((after) => copyOf(first, { appendedAt: START + after }));
    const copies = [...whole.copies.slice(1), ...back, parked, again];
    const kill = { at: first.appendedAt + 1_000, what: "kill -9" };
    expect(found({ copies, disturbances: [kill] })).toEqual({ duplicates: 2 });
    expect(found({ copies }).unexplainedDuplicates).toHaveLength(2);
    expect(found({ copies, disturbances: [kill], delivery: "exactly-once" }).unexplainedDuplicates).toHaveLength(2);
  });

  test("tells what the routers have not got to yet from what is lost", () => {
    const copies = whole.copies.slice(0, 2);
    const committed = new Map([[0, 3]]);
    const [, , , late, last] = inputs as [InputRecord, InputRecord, InputRecord, InputRecord, InputRecord];
    const backlog = [`steady ${late.origin}`, `steady ${last.origin}`];
    expect(found({ copies, committed })).toEqual({ lost: [`steady ${third.origin}`], backlog });
    expect(found({ copies: [], committed: new Map() }).lost).toBeUndefined();
  });

  test("finds an acknowledged event that was never stored", () => {
    expect(found({ acknowledged: new Set(["gone.1"]) })).toEqual({ neverStored: ["gone.1"] });
  });

  test("finds a copy for a plugin that the team has not, or of no event at all", () => {
    const misrouted = copyOf(first, { plugin: "other" });
    expect(found({ copies: [...whole.copies, misrouted] })).toEqual({ misrouted: [`other ${first.origin}`] });
    const invented = { ...copyOf(first), origin: "responses/9/9" };
    expect(found({ copies: [...whole.copies, invented] }).misrouted).toEqual(["steady responses/9/9 of no event"]);
  });

  test("finds an identity that is not the delivery's", () => {
    const copies = whole.copies.with(0, copyOf(first, { delivery: "another" }));
    expect(found({ copies })).toEqual({ wrongIdentity: [`steady ${first.origin}`] });
  });

  test("finds an event that arrived first after a later one of its key", () => {
    const copies = [copyOf(second), copyOf(first), ...whole.copies.slice(2)];
    expect(found({ copies })).toEqual({ orderBreaks: [`steady ${first.origin}`] });
  });

  describe("of a plugin that was switched on between two events of a key, read again after a kill", () => {
    const on = { team: TEAM, plugin: "ruled", enabled: true, askedAt: START + 400, inForceAt: START + 500 };
    const routed = (input: InputRecord, after: number) => {
      const at = { appendedAt: START + after + 5, routedAt: START + after };
      return copyOf(input, { plugin: "ruled", ...at });
    };
    /** The first was routed before the change, the second after it, and then both again. */
    const again = [routed(second, 10_000), routed(first, 60_000), routed(second, 60_000)];
    const steady = [...whole.copies, copyOf(first, { appendedAt: START + 60_005, routedAt: START + 60_000 })];
    const kill = { at: START + 30_000, what: "kill -9" };
    const late = inputs.slice(2).map((input) => routed(input, 60_000));
    const change = { changes: [on], copies: [...steady, ...again, ...late], disturbances: [kill] };

    test("takes it for right that the first arrives behind the second", () => {
      expect(found(change)).toEqual({ overtakenByRule: 1, duplicates: 2 });
    });

    test("finds it out of order with exactly-once, without a kill, or when the plugin was on for both", () => {
      const broken = [`ruled ${first.origin}`];
      expect(found({ ...change, delivery: "exactly-once" }).orderBreaks).toEqual(broken);
      expect(found({ ...change, disturbances: [] }).orderBreaks).toEqual(broken);
      const before = { ...on, askedAt: START - 60_000, inForceAt: START - 59_000 };
      expect(found({ ...change, changes: [before] }).orderBreaks).toEqual(broken);
      expect(found({ ...change, enabled: { [TEAM]: ["steady", "ruled"] } }).orderBreaks).toEqual(broken);
    });

    test("finds it out of order when both were routed at once", () => {
      const copies = [...steady, routed(second, 60_000), routed(first, 60_000), ...late];
      expect(found({ ...change, copies }).orderBreaks).toEqual([`ruled ${first.origin}`]);
    });
  });

  test("takes a repeated copy for right only when something explains it, and never with exactly-once", () => {
    const again = copyOf(second, { appendedAt: second.appendedAt + 60_000 });
    const copies = [...whole.copies, again];
    const kill = { at: second.appendedAt + 30_000, what: "kill -9" };
    const unexplained = { duplicates: 1, unexplainedDuplicates: [`steady ${second.origin}`] };
    expect(found({ copies })).toEqual(unexplained);
    expect(found({ copies, disturbances: [kill] })).toEqual({ duplicates: 1 });
    expect(found({ copies, disturbances: [{ ...kill, at: START - 60_000 }] })).toEqual(unexplained);
    expect(found({ copies, disturbances: [kill], delivery: "exactly-once" })).toEqual(unexplained);
  });

  test("takes a copy for right that its router had sent before the cause, and a slow broker wrote behind its repetition", () => {
    const at = second.appendedAt;
    const again = copyOf(second, { routedAt: at + 20_000, appendedAt: at + 21_000 });
    const late = copyOf(second, { routedAt: at + 5_000, appendedAt: at + 25_000 });
    const copies = whole.copies.toSpliced(1, 1, again, late);
    const kill = { at: at + 10_000, what: "kill -9" };
    expect(found({ copies, disturbances: [kill] })).toEqual({ duplicates: 1 });
    expect(found({ copies, disturbances: [{ ...kill, at: at + 1_000 }] }).unexplainedDuplicates).toHaveLength(1);
  });

  test("finds more repeated after one cause than the routers may have had in flight", () => {
    const kill = { at: START + 30_000, what: "kill -9" };
    const again = inputs.map((input) => copyOf(input, { appendedAt: START + 60_000 }));
    const change = { copies: [...whole.copies, ...again], disturbances: [kill] };
    expect(found({ ...change, inFlightBytesMax: 500 })).toEqual({ duplicates: 5 });
    expect(checkHistory({ ...whole, ...change }).repeatedBytesMax).toBe(500);
    const tooMuch = ["500 bytes of events after kill -9 at 1970-01-01T00:17:10.000Z"];
    expect(found({ ...change, inFlightBytesMax: 499 })).toEqual({ duplicates: 5, repeatedTooMuch: tooMuch });
    // Another kill between them explains its part of it.
    const late = [...again.slice(0, 2), ...again.slice(2).map((copy) => ({ ...copy, appendedAt: START + 120_000 }))];
    const disturbances = [kill, { at: START + 90_000, what: "kill -9" }];
    const both = { copies: [...whole.copies, ...late], disturbances, inFlightBytesMax: 300 };
    expect(found(both)).toEqual({ duplicates: 5 });
  });

  describe("of lanes", () => {
    const marked = (priority: InputRecord["priority"]) => inputs.map((input) => ({ ...input, priority }));
    const taking = (plugin: string, ...lanes: CopyRecord["lane"][]) =>
      lanes.map((lane, index) => copyOf(inputs[index] as InputRecord, { plugin, lane }));
    const enabled = { [TEAM]: ["steady", "limited"] };
    const all = (plugin: string, lane: CopyRecord["lane"]) => taking(plugin, lane, lane, lane, lane, lane);

    test("finds a copy in a lane that its event does not give", () => {
      const copies = all("steady", "live").with(0, copyOf(first, { lane: "bulk" }));
      expect(found({ copies })).toEqual({ wrongLane: [`steady bulk ${first.origin}`] });
      expect(found({ inputs: marked("urgent"), copies: all("steady", "priority") })).toEqual({});
      expect(found({ inputs: marked("urgent"), copies: all("steady", "live") }).wrongLane).toHaveLength(5);
      expect(found({ inputs: marked("urgent"), copies: all("steady", "bulk") }).wrongLane).toHaveLength(5);
      expect(found({ inputs: marked("bulk"), copies: all("steady", "bulk") })).toEqual({});
      expect(found({ inputs: marked("bulk"), copies: all("steady", "live") }).wrongLane).toHaveLength(5);
    });

    test("takes bulk for right where there is a quota, and no other lane", () => {
      const copies = [...whole.copies, ...taking("limited", "live", "bulk", "live", "bulk", "bulk")];
      expect(found({ enabled, copies })).toEqual({});
      const urgent = [...whole.copies, ...taking("limited", "live", "priority", "live", "bulk", "bulk")];
      expect(found({ enabled, copies: urgent })).toEqual({ wrongLane: [`limited priority ${second.origin}`] });
    });

    test("holds the order within each lane, and not between them", () => {
      const [one, two, three, four, five] = taking("limited", "live", "bulk", "live", "bulk", "bulk") as [
        CopyRecord,
        CopyRecord,
        CopyRecord,
        CopyRecord,
        CopyRecord,
      ];
      const steady = whole.copies;
      expect(found({ enabled, copies: [...steady, two, four, five, one, three] })).toEqual({});
      const broken = { orderBreaks: [`limited ${two.origin}`] };
      expect(found({ enabled, copies: [...steady, one, three, four, two, five] })).toEqual(broken);
    });

    test("takes an event that was read again and took another lane for right, at-least-once", () => {
      // The first took live and was killed on its way; the second took bulk. Then both again.
      const at = (ms: number) => ({ appendedAt: START + ms + 5, routedAt: START + ms });
      const copies = [
        ...whole.copies,
        copyOf(second, { plugin: "limited", lane: "bulk", ...at(10_000) }),
        copyOf(first, { plugin: "limited", lane: "bulk", ...at(60_000) }),
        copyOf(second, { plugin: "limited", lane: "live", ...at(60_000) }),
        ...inputs.slice(2).map((input) => copyOf(input, { plugin: "limited", ...at(60_000) })),
      ];
      const disturbances = [{ at: START + 30_000, what: "kill -9" }];
      expect(found({ enabled, copies, disturbances })).toEqual({ overtakenByRule: 1, duplicates: 1 });
      const orderBreaks = [`limited ${first.origin}`];
      expect(found({ enabled, copies })).toMatchObject({ orderBreaks });
      expect(found({ enabled, copies, disturbances, delivery: "exactly-once" })).toMatchObject({ orderBreaks });
      expect(found({ enabled, copies, disturbances, limited: {} })).toMatchObject({ orderBreaks });
    });
  });

  test("asks a changing rule at the time an event was routed, and leaves the time of the change open", () => {
    const on = { team: TEAM, plugin: "ruled", enabled: true, askedAt: START - 60_000, inForceAt: START - 59_000 };
    const off = { ...on, enabled: false, askedAt: third.appendedAt, inForceAt: third.appendedAt + 100 };
    const ruled = (input: InputRecord) => copyOf(input, { plugin: "ruled" });
    const changes = [on, off];
    expect(found({ changes })).toEqual({ lost: [`ruled ${first.origin}`, `ruled ${second.origin}`] });
    const copies = [...whole.copies, ruled(first), ruled(second)];
    expect(found({ changes, copies })).toEqual({});
    expect(found({ changes, copies: [...copies, ruled(third)] })).toEqual({});
    const [last] = inputs.slice(-1) as [InputRecord];
    const late = { ...ruled(last), routedAt: third.appendedAt + 60_000 };
    expect(found({ changes, copies: [...copies, late] })).toEqual({ misrouted: [`ruled ${last.origin}`] });
  });

  test("finds poison that is no dead letter, and dead letters that are no poison", () => {
    const poisoned: InputRecord = {
      ...first,
      origin: "responses/0/9",
      offset: 9,
      id: "responses/0/9",
      team: "",
      poison: "{",
    };
    const history = { inputs: [...inputs, poisoned], poison: ["{"] };
    expect(found({ ...history, deadLetters: [poisoned.origin] })).toEqual({});
    const committed = new Map([[0, poisoned.offset + 1]]);
    expect(found({ ...history, committed }).deadLetterErrors).toEqual([`${poisoned.origin} is no dead letter`]);
    expect(found(history)).toEqual({ backlog: [poisoned.origin] });
    expect(found({ poison: ["{"] }).deadLetterErrors).toEqual(["{ was never stored"]);
    expect(found({ deadLetters: [first.origin] }).deadLetterErrors).toEqual([`${first.origin} is no poison`]);
  });
});
