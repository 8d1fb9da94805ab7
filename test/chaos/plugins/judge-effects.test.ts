import { describe, expect, test } from "@jest/globals";
import type { DeliveryRow, EffectHistory, PluginCopy } from "./effect-history.ts";
import { type Broken, judgePlugins } from "./judge-effects.ts";
import type { Kind } from "./roster.ts";
import type { Landed } from "./vendor.ts";

const copyOf = (kind: Kind, revision = 1, more: Partial<PluginCopy> = {}): PluginCopy => ({
  kind,
  id: `${kind}-${revision}`,
  team: "team-1",
  response: "response",
  revision,
  doomed: false,
  lane: "live",
  appendedAt: 10_000,
  committed: true,
  ...more,
});
const settled = (outcome: string, more: Partial<DeliveryRow> = {}): DeliveryRow => ({
  state: "settled",
  outcome,
  reason: null,
  attempts: 1,
  leaseUntil: null,
  settledAt: 10_100,
  ...more,
});
const landing = (kind: Kind, revision = 1, more: Partial<Landed> = {}): Landed => ({
  kind,
  id: `${kind}-${revision}`,
  key: `${kind}-${revision}`,
  response: "response",
  revision,
  instance: `${kind}-a`,
  sentAt: (more.at ?? 10_050) - 20,
  at: 10_050,
  orphaned: false,
  ...more,
});

/** One delivery of each plugin, as it should be, and one that the vendor refused. */
function whole(): EffectHistory & { readonly rows: Map<string, DeliveryRow> } {
  const kinds: readonly Kind[] = ["ledger", "text", "mail", "pay", "bulk"];
  const doomed = copyOf("mail", 9, { doomed: true, response: "refused" });
  const letter = { id: doomed.id, detail: "refused", attempts: 2, at: 10_090 };
  return {
    acknowledged: new Set([...kinds.map((kind) => `${kind}-1`), doomed.id]),
    copies: [...kinds.map((kind) => copyOf(kind)), doomed],
    rows: new Map([
      ...kinds.map((kind) => [`${kind}-1`, settled("delivered")] as const),
      [doomed.id, settled("rejected", { reason: "refused", attempts: 2 })],
    ]),
    landed: kinds.map((kind) => landing(kind)),
    troubles: new Map(),
    spent: new Map(),
    outcomes: [
      ...kinds.map((kind) => ({ id: `${kind}-1`, outcome: "delivered", reason: null })),
      { id: doomed.id, outcome: "rejected", reason: "refused" },
    ],
    deadLetters: [{ ...letter, history: [{ attempt: 2, reason: "refused" }] }],
    waiting: [],
    disturbances: [],
    freezes: [],
  };
}

function brokenOf(history: EffectHistory): readonly Broken[] {
  return [...judgePlugins(history).broken].filter(([, items]) => items.length > 0).map(([what]) => what);
}

/** The whole history with a delivery's row otherwise; what `deliveries` says follows it. */
function withRow(id: string, row: DeliveryRow, more: Partial<EffectHistory> = {}): EffectHistory {
  const history = whole();
  const outcomes = history.outcomes.map((one) => (one.id === id ? { ...one, outcome: row.outcome ?? "" } : one));
  return { ...history, outcomes, rows: new Map([...history.rows, [id, row]]), ...more };
}

/** The whole history with more deliveries and effects. */
function withMore(
  copies: readonly PluginCopy[],
  landed: readonly Landed[],
  rows: readonly DeliveryRow[],
): EffectHistory {
  const history = whole();
  const more = copies.map(({ id }, index) => [id, rows[index] as DeliveryRow] as const);
  return {
    ...history,
    copies: [...history.copies, ...copies],
    landed: [...history.landed, ...landed],
    rows: new Map([...history.rows, ...more]),
    outcomes: [...history.outcomes, ...more.map(([id, { outcome }]) => ({ id, outcome: outcome ?? "", reason: null }))],
  };
}

const kill = { at: 10_080, what: "kill -9" };
const again = (kind: Kind, more: Partial<Landed> = {}) => [
  ...whole().landed,
  landing(kind, 1, { at: 20_000, ...more }),
];

describe("the checker of plugins", () => {
  test("finds nothing where every delivery is settled as it must", () => {
    expect(brokenOf(whole())).toEqual([]);
  });

  test("finds what is not in its topic, what was committed and never settled, and what nobody has got to", () => {
    expect(brokenOf({ ...whole(), acknowledged: new Set(["gone"]) })).toEqual(["acknowledged and not in its topic"]);
    const rows = whole().rows;
    rows.delete("mail-1");
    expect(brokenOf({ ...whole(), rows })).toEqual(["lost"]);
    const open = settled("delivered", { state: "started" });
    expect(brokenOf(withRow("text-1", open))).toEqual(["lost"]);
    const copies = whole().copies.map((copy) => ({ ...copy, committed: copy.id !== "mail-1" }));
    expect(brokenOf({ ...whole(), rows, copies })).toEqual(["not handled yet"]);
    expect(brokenOf({ ...whole(), waiting: ["mail-1"] })).toEqual(["still in the due-time table"]);
  });

  test("finds a delivery without its effect, and an effect of one that was not delivered", () => {
    expect(brokenOf({ ...whole(), landed: whole().landed.slice(1) })).toEqual(["delivered without effect"]);
    const refused = [...whole().landed, landing("mail", 9, { response: "refused" })];
    expect(brokenOf({ ...whole(), landed: refused })).toEqual(["effect of what was not delivered"]);
    const older = withMore(
      [copyOf("ledger", 2), copyOf("ledger", 3)],
      [landing("ledger", 2), landing("ledger", 3)],
      [settled("superseded"), settled("delivered")],
    );
    expect(brokenOf(older)).toEqual(["effect of what was not delivered"]);
  });

  test("finds a doubled effect whatever explains it, but where a plugin may repeat it", () => {
    const why = { disturbances: [kill], troubles: new Map([["ledger-1", [{ at: 10_060, how: "hangs" as const }]]]) };
    expect(brokenOf({ ...whole(), ...why, landed: again("ledger") })).toEqual(["doubled in a transaction"]);
    expect(brokenOf({ ...whole(), ...why, landed: again("text") })).toEqual(["doubled though unsafe"]);
    expect(brokenOf({ ...whole(), ...why, landed: again("pay") })).toEqual(["doubled though looked up"]);
    expect(brokenOf({ ...whole(), ...why, landed: again("mail") })).toEqual([]);
    expect(brokenOf({ ...whole(), landed: again("mail") })).toEqual(["repeated without cause"]);
    expect(brokenOf({ ...whole(), ...why, landed: again("bulk", { key: "other" }) })).toEqual([
      "repeated under another key",
    ]);
  });

  test("lets a process that had been frozen, or a caller that had gone, be late at the vendor and nowhere else", () => {
    const freezes = [{ instance: "pay-a", from: 10_000, until: 19_500 }];
    expect(brokenOf({ ...whole(), freezes, landed: again("pay") })).toEqual([]);
    const much = [{ instance: "pay-a", from: 10_000, until: 12_000 }];
    const others = again("pay").map((one) => ({ ...one, at: one.at + 9_000, sentAt: one.sentAt + 9_000 }));
    expect(brokenOf({ ...whole(), freezes: much, landed: others })).toEqual(["doubled though looked up"]);
    expect(brokenOf({ ...whole(), landed: again("pay", { orphaned: true }) })).toEqual([]);
    const ledger = [{ instance: "ledger-a", from: 10_000, until: 19_500 }];
    expect(brokenOf({ ...whole(), freezes: ledger, landed: again("ledger") })).toEqual(["doubled in a transaction"]);
  });

  test("lets the vendor get to a call when its caller's time was over, and not a moment before", () => {
    const landed = (sentAt: number) => again("pay", { sentAt });
    expect(brokenOf({ ...whole(), landed: landed(15_999) })).toEqual([]);
    expect(brokenOf({ ...whole(), landed: landed(16_000) })).toEqual(["doubled though looked up"]);
    expect(brokenOf({ ...whole(), landed: again("text", { sentAt: 11_000 }) })).toEqual(["doubled though unsafe"]);
    const older = (sentAt: number) =>
      withMore(
        [copyOf("mail", 2), copyOf("mail", 3)],
        [landing("mail", 3, { at: 19_000 }), landing("mail", 2, { at: 19_050, sentAt })],
        [settled("delivered"), settled("delivered")],
      );
    expect(brokenOf(older(15_000))).toEqual([]);
    expect(brokenOf(older(15_100))).toEqual(["older after newer"]);
  });

  test("takes a handler's time that was over for the end of that delivery only, and only where log and row agree", () => {
    const reason = "no answer within 4000 ms";
    const over = { at: 14_010, waitedMs: 3_990, reason };
    const spent = new Map([["text-1", [over]]]);
    expect(brokenOf(withRow("text-1", settled("unknown", { reason }), { spent }))).toEqual([]);
    const unexplained: readonly (readonly [DeliveryRow, EffectHistory["spent"]])[] = [
      [settled("unknown", { reason }), new Map()],
      [settled("unknown", { reason }), new Map([["text-2", [over]]])],
      [settled("unknown", { reason }), new Map([["text-1", [{ ...over, waitedMs: 200 }]]])],
      [settled("unknown", { reason: "an attempt was cut short" }), spent],
    ];
    for (const [row, spent] of unexplained)
      expect(brokenOf(withRow("text-1", row, { spent }))).toEqual(["unknown without cause"]);
    expect(brokenOf(withRow("text-1", settled("unknown", { reason }), { spent, landed: again("text") }))).toEqual([
      "doubled though unsafe",
    ]);
    const overtaken = [
      landing("mail", 1, { at: 10_040, sentAt: 14_020 }),
      landing("mail", 1, { at: 10_060, sentAt: 10_000 }),
    ];
    const others = whole().landed.filter(({ kind }) => kind !== "mail");
    const late = overtaken.map((one) => ({ ...one, at: one.at + 5_000 }));
    const mail = (at: number) => new Map([["mail-1", [{ ...over, at }]]]);
    expect(brokenOf({ ...whole(), spent: mail(14_010), landed: again("mail") })).toEqual([]);
    expect(brokenOf({ ...whole(), spent: mail(14_010), landed: [...others, ...late] })).toEqual([]);
    expect(brokenOf({ ...whole(), spent: mail(20_010), landed: again("mail") })).toEqual(["repeated without cause"]);
  });

  test("finds an `unknown` that nothing explains, or of a plugin that can tell", () => {
    const cut = settled("unknown", { leaseUntil: 17_000 });
    expect(brokenOf(withRow("text-1", cut))).toEqual(["unknown without cause"]);
    expect(brokenOf(withRow("text-1", cut, { disturbances: [kill] }))).toEqual([]);
    const long = { ...kill, at: 19_500 };
    expect(brokenOf(withRow("text-1", cut, { disturbances: [long] }))).toEqual(["unknown without cause"]);
    expect(brokenOf(withRow("pay-1", cut, { disturbances: [kill] }))).toContain("ended as nothing asks for");
  });

  test("finds an end that neither event nor vendor gives", () => {
    expect(brokenOf(withRow("mail-1", settled("rejected"), { landed: whole().landed }))).toContain(
      "ended as nothing asks for",
    );
    expect(brokenOf(withRow("mail-9", settled("delivered")))).toContain("ended as nothing asks for");
    expect(brokenOf(withRow("mail-1", settled("superseded")))).toEqual(["superseded by nothing"]);
  });

  test("finds an older revision that lands after a newer one", () => {
    const late = withMore(
      [copyOf("mail", 2), copyOf("mail", 3)],
      [landing("mail", 3), landing("mail", 2)],
      [settled("delivered"), settled("delivered")],
    );
    expect(brokenOf(late)).toEqual(["older after newer"]);
    const freezes = [{ instance: "mail-a", from: 10_000, until: 10_040 }];
    expect(brokenOf({ ...late, freezes })).toEqual([]);
  });

  test("finds a dead letter that is missing, has no cause, is there twice, or tells another's history", () => {
    const { deadLetters } = whole();
    const [letter] = deadLetters;
    if (letter === undefined) throw new Error("there is one");
    expect(brokenOf({ ...whole(), deadLetters: [] })).toEqual(["dead letter missing"]);
    expect(brokenOf({ ...whole(), deadLetters: [...deadLetters, { ...letter, id: "text-1" }] })).toEqual([
      "dead letter without cause",
    ]);
    const twice = [letter, { ...letter, at: letter.at + 5_000 }];
    expect(brokenOf({ ...whole(), deadLetters: twice })).toEqual(["dead letter repeated without cause"]);
    expect(brokenOf({ ...whole(), deadLetters: twice, disturbances: [kill] })).toEqual([]);
    expect(brokenOf({ ...whole(), deadLetters: [{ ...letter, attempts: 1 }] })).toEqual([
      "dead letter's history is not its own",
    ]);
    const aside = settled("failed", { reason: "set aside" });
    const cause = { ...letter, id: "pay-1", attempts: 1, detail: "set aside", history: [{ attempt: 1, reason: "" }] };
    expect(brokenOf(withRow("pay-1", aside, { deadLetters: [...deadLetters, cause] }))).toEqual(
      expect.arrayContaining(["ended as nothing asks for", "dead letter without cause"]),
    );
  });

  test("finds what `deliveries` says otherwise, or nowhere", () => {
    const { outcomes } = whole();
    const other = outcomes.map((one) => (one.id === "text-1" ? { ...one, outcome: "unknown" } : one));
    expect(brokenOf({ ...whole(), outcomes: [...outcomes, ...other] })).toEqual(["published otherwise than settled"]);
    const silent = outcomes.filter(({ id }) => id !== "text-1");
    expect(brokenOf({ ...whole(), outcomes: silent })).toEqual(["published nowhere, without cause"]);
    const killed = judgePlugins({ ...whole(), outcomes: silent, disturbances: [{ at: 11_000, what: "kill" }] });
    expect(killed.counts.get("text")?.unpublished).toBe(1);
    const copy = { id: "text-1", outcome: "duplicate", reason: "its earlier copy: delivered" };
    expect(brokenOf({ ...whole(), outcomes: [...silent, copy] })).toEqual([]);
  });
});
