import { describe, expect, test } from "@jest/globals";
import { deliveryId } from "@plugboard/contract";
import { type CopyRecord, checkHistory, type Findings, type History, type InputRecord } from "./check-history.ts";

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
}));

function copyOf(input: InputRecord, change: Partial<CopyRecord> = {}): CopyRecord {
  const plugin = change.plugin ?? "steady";
  return {
    plugin,
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
  steadyPlugin: "steady",
  changes: [],
  windows: [],
  disturbances: [],
  deletions: [],
};

/** What is found in a history that differs from the whole one, without what is not found. */
function found(change: Partial<History>): Partial<Findings> {
  const findings = checkHistory({ ...whole, ...change });
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
    expect(found({ deadLetters: [first.origin] }).deadLetterErrors).toEqual([`${first.origin} is no poison`]);
  });
});
