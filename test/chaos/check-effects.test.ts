import { describe, expect, test } from "@jest/globals";
import { type Effects, judgeEffects } from "./check-effects.ts";
import type { CopyRecord } from "./history.ts";

function copyOf(delivery: string, offset: number): CopyRecord {
  return {
    plugin: "recorder",
    lane: "live",
    partition: 0,
    offset,
    origin: `responses/0/${offset}`,
    delivery,
    team: "team",
    appendedAt: offset,
    routedAt: offset,
    parked: false,
  };
}

const whole: Effects = {
  copies: [copyOf("one", 0), copyOf("two", 1), copyOf("two", 2)],
  effects: new Set(["one", "two"]),
  dead: new Set(),
  committed: new Map([["live", new Map([[0, 3]])]]),
  troubled: () => false,
};

describe("the checker of effects", () => {
  test("finds nothing where every delivery had its effect", () => {
    expect(judgeEffects(whole)).toEqual({
      effects: 2,
      deadLetters: 0,
      withoutEffect: [],
      backlog: [],
      unexpectedDeadLetters: [],
    });
  });

  test("finds a delivery without effect, and tells it from one that the plugin has not got to", () => {
    const effects = new Set(["one"]);
    expect(judgeEffects({ ...whole, effects })).toMatchObject({ withoutEffect: ["two"], backlog: [] });
    const committed = new Map([["live", new Map([[0, 1]])]] as const);
    expect(judgeEffects({ ...whole, effects, committed })).toMatchObject({ withoutEffect: [], backlog: ["two"] });
  });

  test("finds a dead letter that the vendor gave no cause for, or of no delivery", () => {
    const refused = { ...whole, effects: new Set(["one"]), dead: new Set(["two"]) };
    expect(judgeEffects(refused)).toMatchObject({ withoutEffect: [], unexpectedDeadLetters: ["two"] });
    const troubled = ({ delivery }: CopyRecord) => delivery === "two";
    expect(judgeEffects({ ...refused, troubled }).unexpectedDeadLetters).toEqual([]);
    expect(judgeEffects({ ...whole, dead: new Set(["gone"]) }).unexpectedDeadLetters).toEqual(["gone"]);
  });
});
