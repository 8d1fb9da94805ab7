import { describe, expect, test } from "@jest/globals";
import type { PluginEntry, TeamEntry } from "@plugboard/contract";
import fc from "fast-check";
import { LevelOne, type Read } from "../../src/domain/level-one.ts";
import type { CacheAnswer, PollAnswer, RouteKey } from "../../src/domain/ports.ts";

const TEAMS = ["a", "b", "c"];
const KEYS: readonly RouteKey[] = TEAMS.map((team): RouteKey => `team:${team}`);
const LIMITS = { teamsMax: 10, pluginsMax: 10, staleAfterMs: 1_000 };

function team(v: number, plugins: readonly string[] = [], form = "f"): TeamEntry {
  const rest = { ready: true, forms: [form], filter: null, mode: "async", onFailure: "open", quota: null } as const;
  return { v, plugins: plugins.map((id) => ({ id, ...rest, forms: [form] })) };
}

function plugin(v: number): PluginEntry {
  return { v, events: ["onResponse"], priorityEvents: [], sync: null, state: "enabled" };
}

/** An L1 that follows epoch "e" at seq 0 since the moment 0. */
function following(limits = LIMITS): LevelOne {
  const l1 = new LevelOne(limits);
  const since = { epoch: null, seq: 0 };
  expect(l1.applyPoll({ since, epoch: "e", seq: 0, changes: [] }, 0)).toEqual({ kind: "reset", reason: "first" });
  return l1;
}

function poll(l1: LevelOne, askedAt: number, ...entries: ReadonlyArray<readonly [RouteKey, object | string]>) {
  const since = l1.position;
  const changes = entries.map(([key, entry], at) => ({
    seq: since.seq + at + 1,
    key,
    entry: typeof entry === "string" ? entry : JSON.stringify(entry),
  }));
  return l1.applyPoll({ since, epoch: "e", seq: since.seq + changes.length, changes }, askedAt);
}

function cached(seq: number, ...values: ReadonlyArray<object | null | string>): CacheAnswer {
  const json = values.map((value) => (value === null || typeof value === "string" ? value : JSON.stringify(value)));
  return { epoch: "e", seq, values: json };
}

function readAll(l1: LevelOne, at: number, entries: Readonly<Record<RouteKey, object | null>>): void {
  const keys = Object.keys(entries) as RouteKey[];
  const read = l1.beginRead(keys, at);
  l1.settleCacheRead(read, cached(l1.position.seq, ...Object.values(entries)));
}

const versionIn = (l1: LevelOne, id: string, now: number) => l1.find(id, now)?.team.v;

describe("an entry read from Redis", () => {
  test("is answered until it is too old, and from then on only when polls vouch for it", () => {
    const l1 = following();
    readAll(l1, 10, { "team:a": team(1) });
    expect(versionIn(l1, "a", 1_010)).toBe(1);
    expect(l1.find("a", 1_011)).toBeUndefined();
    poll(l1, 1_000);
    expect(versionIn(l1, "a", 2_000)).toBe(1);
  });

  test("is a known absence when Redis has a complete table without it, until a change brings it", () => {
    const l1 = following();
    readAll(l1, 10, { "team:a": null });
    expect(l1.find("a", 20)).toBeNull();
    poll(l1, 30, ["team:a", team(1)]);
    expect(versionIn(l1, "a", 40)).toBe(1);
  });

  test("does not replace a change that polls brought while it was under way", () => {
    const l1 = following();
    const read = l1.beginRead(["team:a"], 10);
    poll(l1, 20, ["team:a", team(2)]);
    l1.settleCacheRead(read, cached(0, team(1)));
    expect(versionIn(l1, "a", 30)).toBe(2);
  });

  test("does replace an older change that polls brought while it was under way", () => {
    const l1 = following();
    const read = l1.beginRead(["team:a"], 10);
    poll(l1, 20, ["team:a", team(2)]);
    l1.settleCacheRead(read, cached(1, team(3)));
    expect(versionIn(l1, "a", 30)).toBe(3);
  });

  test("is not replaced by an older change that arrives after it", () => {
    const l1 = following();
    const read = l1.beginRead(["team:a"], 10);
    l1.settleCacheRead(read, cached(2, team(3)));
    poll(l1, 20, ["team:a", team(2)], ["team:a", team(3)]);
    expect(versionIn(l1, "a", 30)).toBe(3);
  });

  test.each<[string, CacheAnswer]>([
    ["without an epoch", { epoch: null, seq: 0, values: [null] }],
    ["of another epoch", { epoch: "other", seq: 5, values: [JSON.stringify(team(9))] }],
    ["of a position before the one it was asked at", { epoch: "e", seq: 0, values: [JSON.stringify(team(9))] }],
    ["in a form nobody can read", { epoch: "e", seq: 1, values: ['{"v":'] }],
  ])("%s is unknown", (_how, answer) => {
    const l1 = following();
    poll(l1, 5, ["team:b", team(1)]);
    const read = l1.beginRead(["team:a"], 10);
    const { slots, unknown } = l1.settleCacheRead(read, answer);
    expect([...slots.keys()]).toEqual([]);
    expect(unknown).toEqual(["team:a"]);
    expect(l1.find("a", 20)).toBeUndefined();
  });

  test("is worth nothing when everything was dropped while it was under way", () => {
    const l1 = following();
    const fromCache = l1.beginRead(["team:a"], 10);
    const fromManager = l1.beginRead(["team:b"], 10);
    l1.applyPoll({ since: l1.position, epoch: "f", seq: 0, changes: [] }, 20);
    const { slots, unknown } = l1.settleCacheRead(fromCache, { epoch: "f", seq: 0, values: [JSON.stringify(team(1))] });
    expect([slots.size, unknown.length]).toEqual([0, 0]);
    expect(l1.settleOriginRead(fromManager, { teams: { b: team(1) }, plugins: {} }).size).toBe(0);
    expect(l1.entries).toBe(0);
  });
});

describe("an entry of the manager", () => {
  test("may be newer than Redis, whose late change does not replace it", () => {
    const l1 = following();
    l1.settleOriginRead(l1.beginRead(["team:a"], 10), { teams: { a: team(3) }, plugins: {} });
    poll(l1, 20, ["team:a", team(2)]);
    expect(versionIn(l1, "a", 30)).toBe(3);
  });

  test("does not replace a newer one that was current after the manager was asked", () => {
    const l1 = following();
    readAll(l1, 10, { "team:a": team(1) });
    const read = l1.beginRead(["team:a"], 20);
    const overtaking = l1.beginRead(["team:a"], 30);
    l1.settleOriginRead(overtaking, { teams: { a: team(5) }, plugins: {} });
    l1.settleOriginRead(read, { teams: { a: team(4) }, plugins: {} });
    expect(versionIn(l1, "a", 40)).toBe(5);
  });

  test("does replace a newer version that was last known current before it was asked: a restored backup", () => {
    const l1 = following();
    readAll(l1, 10, { "team:a": team(7) });
    l1.settleOriginRead(l1.beginRead(["team:a"], 2_000), { teams: { a: team(3) }, plugins: {} });
    expect(versionIn(l1, "a", 2_010)).toBe(3);
  });

  test("is asked for again when a change came meanwhile that nobody can read", () => {
    const l1 = following();
    const read = l1.beginRead(["team:a"], 10);
    expect(poll(l1, 20, ["team:a", "{"])).toEqual({ kind: "current", malformed: 1 });
    expect(l1.settleOriginRead(read, { teams: { a: team(1) }, plugins: {} }).size).toBe(0);
  });
});

describe("a poll's answer", () => {
  test("that leaves out a change drops everything, and is followed from there", () => {
    const l1 = following();
    readAll(l1, 10, { "team:a": team(1) });
    const changes = [{ seq: 2, key: "team:b", entry: JSON.stringify(team(1)) }];
    expect(l1.applyPoll({ since: l1.position, epoch: "e", seq: 2, changes }, 20)).toEqual({
      kind: "reset",
      reason: "hole",
    });
    expect(l1.find("a", 30)).toBeUndefined();
    expect(l1.position).toEqual({ epoch: "e", seq: 2 });
  });

  test("to an earlier question changes nothing", () => {
    const l1 = following();
    const since = l1.position;
    poll(l1, 10, ["team:a", team(1)]);
    expect(l1.applyPoll({ since, epoch: "e", seq: 0, changes: [] }, 20)).toEqual({ kind: "late" });
    expect(l1.position.seq).toBe(1);
  });

  test("of an epoch that lost changes is never believed again, another epoch is", () => {
    const l1 = following();
    poll(l1, 10, ["team:a", team(1)]);
    const answer = (epoch: string, seq: number): PollAnswer => ({ since: l1.position, epoch, seq, changes: [] });
    expect(l1.applyPoll(answer("e", 0), 20).kind).toBe("rewound");
    expect(l1.applyPoll(answer("e", 1), 30).kind).toBe("rewound");
    expect(l1.settleCacheRead(l1.beginRead(["team:b"], 40), cached(7, team(1))).unknown).toEqual(["team:b"]);
    expect(l1.applyPoll(answer("f", 0), 50)).toEqual({ kind: "reset", reason: "epoch" });
  });

  test("without an epoch keeps what is known, for as long as it is fresh", () => {
    const l1 = following();
    readAll(l1, 10, { "team:a": team(1) });
    expect(l1.applyPoll({ since: l1.position, epoch: null, seq: 0, changes: [] }, 20).kind).toBe("incomplete");
    expect(versionIn(l1, "a", 30)).toBe(1);
    expect(l1.find("a", 1_011)).toBeUndefined();
  });
});

describe("a team with its plugins", () => {
  test("is not answered before every plugin is known, and leaves out those that nobody knows", () => {
    const l1 = following();
    readAll(l1, 10, { "team:a": team(1, ["p", "gone"]) });
    expect(l1.find("a", 20)).toBeUndefined();
    const needed = new Set<RouteKey>();
    l1.collectNeeded("a", 20, new Map(), needed);
    expect([...needed]).toEqual(["plugin:p", "plugin:gone"]);
    readAll(l1, 20, { "plugin:p": plugin(1), "plugin:gone": null });
    expect([...(l1.find("a", 30)?.plugins.keys() ?? [])]).toEqual(["p"]);
  });

  test("is the same object until one of its entries changes", () => {
    const l1 = following();
    readAll(l1, 10, { "team:a": team(1, ["p"]), "plugin:p": plugin(1) });
    const first = l1.find("a", 20);
    poll(l1, 30, ["team:b", team(1)]);
    expect(l1.find("a", 40)).toBe(first);
    poll(l1, 50, ["plugin:p", plugin(2)]);
    expect(l1.find("a", 60)?.plugins.get("p")?.v).toBe(2);
  });

  test("is answered from what was read for the caller where L1 has no room", () => {
    const l1 = following({ ...LIMITS, teamsMax: 1 });
    const read = l1.beginRead(["team:a", "team:b"], 10);
    const { slots } = l1.settleCacheRead(read, cached(0, team(1), team(2)));
    expect(l1.find("a", 20)).toBeUndefined();
    expect(l1.find("a", 20, slots)?.team.v).toBe(1);
    expect(l1.find("a", 1_011, slots)).toBeUndefined();
  });
});

/** Redis and the manager, with every change at once in both; commits are numbered in the entries' `forms`. */
class Model {
  epoch: string | null = "e1";
  seq = 0;
  keys: ReadonlyMap<RouteKey, string> = new Map();
  log: ReadonlyArray<{ readonly seq: number; readonly key: RouteKey; readonly entry: string }> = [];
  readonly truth = new Map<RouteKey, TeamEntry>();
  #earlier: ReadonlyArray<Pick<Model, "epoch" | "seq" | "keys" | "log">> = [];
  #rewound = false;
  #epochs = 1;
  #commits = 0;

  commit(key: RouteKey, relayed: boolean, back = 0): void {
    this.#commits += 1;
    const v = Math.max(0, (this.truth.get(key)?.v ?? 0) + 1 - back);
    this.truth.set(key, team(v, ["p"], String(this.#commits)));
    if (back > 0) this.rebuild();
    else if (relayed) this.relay(key);
  }

  relay(key: RouteKey): void {
    const entry = this.truth.get(key);
    if (this.epoch === null || entry === undefined) return;
    if (this.#rewound) {
      this.rebuild();
      return;
    }
    const { epoch, seq, keys, log } = this;
    this.#earlier = [...this.#earlier.slice(-3), { epoch, seq, keys, log }];
    this.seq += 1;
    this.keys = new Map(keys).set(key, JSON.stringify(entry));
    this.log = [...log, { seq: this.seq, key, entry: JSON.stringify(entry) }].slice(-3);
  }

  rebuild(): void {
    this.#epochs += 1;
    this.#rewound = false;
    this.#earlier = [];
    const keys = new Map([...this.truth].map(([key, entry]) => [key, JSON.stringify(entry)] as const));
    Object.assign(this, { epoch: `e${this.#epochs}`, seq: 0, keys, log: [] });
  }

  flush(): void {
    Object.assign(this, { epoch: null, seq: 0, keys: new Map(), log: [] });
    this.#earlier = [];
  }

  rewind(): void {
    const [before] = this.#earlier;
    if (before === undefined) return;
    this.#rewound = true;
    this.#earlier = [];
    Object.assign(this, before);
  }
}

const commitIn = (json: string | undefined): number =>
  json === undefined ? 0 : Number((JSON.parse(json) as TeamEntry).plugins[0]?.forms?.[0]);

/** Runs one random interleaving; after each step L1 must reflect all that the last valid poll had seen. */
function interleave(steps: ReadonlyArray<readonly [number, number]>): void {
  const model = new Model();
  const l1 = new LevelOne({ ...LIMITS, staleAfterMs: Number.POSITIVE_INFINITY });
  let now = 0;
  let required: ReadonlyMap<RouteKey, string> = new Map();
  const polls: Array<{ askedAt: number; since: LevelOne["position"]; answer?: PollAnswer; keys?: Model["keys"] }> = [];
  const reads: Array<{ read: Read; cache?: CacheAnswer; origin?: Record<string, TeamEntry | null> }> = [];
  readAll(l1, 0, { "plugin:p": null });
  const keyAt = (at: number) => KEYS[at % KEYS.length] as RouteKey;
  const actions: ReadonlyArray<(at: number) => void> = [
    (at) => model.commit(keyAt(at), true),
    (at) => model.commit(keyAt(at), true),
    (at) => model.commit(keyAt(at), false),
    (at) => model.relay(keyAt(at)),
    (at) => (at % 4 === 0 ? model.commit(keyAt(at), true, 2) : undefined),
    (at) => (at % 2 === 0 ? model.rebuild() : undefined),
    (at) => (at % 2 === 0 ? model.flush() : undefined),
    () => model.rewind(),
    () => void polls.push({ askedAt: now, since: l1.position }),
    () => {
      for (const one of polls.filter(({ answer }) => answer === undefined)) {
        const { epoch, seq, log, keys } = model;
        const changes = epoch === one.since.epoch ? log.filter((change) => change.seq > one.since.seq) : [];
        Object.assign(one, { answer: { since: one.since, epoch, seq, changes }, keys });
      }
    },
    () => {
      const at = polls.findIndex(({ answer }) => answer !== undefined);
      const [one] = at < 0 ? [] : polls.splice(at, 1);
      if (one?.answer === undefined) return;
      const { kind } = l1.applyPoll(one.answer, one.askedAt);
      if (kind === "current" || kind === "reset") required = one.keys ?? required;
    },
    (at) => void reads.push({ read: l1.beginRead(KEYS.slice(at % KEYS.length), now) }),
    (at) => {
      for (const one of reads.filter(({ cache, origin }) => cache === undefined && origin === undefined)) {
        const { epoch, seq, keys, truth } = model;
        if (at % 2 === 0) one.cache = { epoch, seq, values: one.read.keys.map((key) => keys.get(key) ?? null) };
        else one.origin = Object.fromEntries(TEAMS.map((id) => [id, truth.get(`team:${id}`) ?? null]));
      }
    },
    (at) => {
      const answered = reads.filter(({ cache, origin }) => cache !== undefined || origin !== undefined);
      const one = answered[at % Math.max(1, answered.length)];
      if (one === undefined) return;
      reads.splice(reads.indexOf(one), 1);
      if (one.cache !== undefined) l1.settleCacheRead(one.read, one.cache);
      else l1.settleOriginRead(one.read, { teams: one.origin ?? {}, plugins: {} });
    },
  ];
  for (const [action, at] of steps) {
    now += 1;
    actions[action % actions.length]?.(at);
    // The plugin is a known absence all along, so that only the teams are under test.
    if (l1.find("a", now) === undefined) readOnly(l1, now);
    for (const id of TEAMS) {
      const found = l1.find(id, now);
      if (found === undefined) continue;
      const commit = commitIn(found === null ? undefined : JSON.stringify(found.team));
      const least = commitIn(required.get(`team:${id}`));
      if (commit < least) throw new Error(`team ${id} is c${commit} in L1, and a poll had seen c${least}`);
    }
  }
}

function readOnly(l1: LevelOne, now: number): void {
  l1.settleOriginRead(l1.beginRead(["plugin:p"], now), { teams: {}, plugins: { p: null } });
}

describe("in any order of changes, polls, reads, rebuilds, flushes and rewinds", () => {
  test("L1 reflects everything that the last valid poll had seen", () => {
    const step = fc.tuple(fc.nat({ max: 13 }), fc.nat({ max: 11 }));
    fc.assert(fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), interleave), { numRuns: 3_000 });
  });
});
