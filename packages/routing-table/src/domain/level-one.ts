import type { PluginEntry, RoutesResponse, TeamEntry } from "@plugboard/contract";
import { LRUCache } from "lru-cache";
import type { ResolvedTeam } from "../routing-table.ts";
import { type AnySlot, JoinedTeam, NOT_JOINED, type Slot, type TeamSlot } from "./level-one-slots.ts";
import type { CacheAnswer, PollAnswer, Position, RouteEntry, RouteKey } from "./ports.ts";
import { asRouteKey, idOf, parseRouteEntry, pluginKey, teamKey } from "./route-entry.ts";

/**
 * L1 of the routing table, without I/O and without a clock: every call is told the time. Times are milliseconds of a
 * monotonic clock, and always those of the *question*: an answer is at least as new as the moment it was asked for.
 *
 * The table follows Redis at a position (epoch, seq), moved only by poll answers:
 *
 *   unknown ──first valid answer──► following(epoch, seq) ──contiguous changes──► following(epoch, seq')
 *                                     │  ▲        └── another epoch, or a hole: everything is dropped ──► following
 *                    the same epoch,  │  │ another epoch
 *                    a smaller seq    ▼  │
 *                                   rewound: Redis lost its tail, so this epoch is never believed again
 *
 * What holds at every moment, and what the property tests check:
 *
 *  1. *Reflected.* An entry in L1 reflects every change of its key up to the position. So all of L1 is as new as the
 *     last valid poll answer (`currentAsOf`), whenever the entries were read.
 *  2. *Used only while fresh.* An entry is used when `currentAsOf`, or the moment of its own reading, is at most
 *     `staleAfterMs` ago. Otherwise it is read again first.
 *  3. *No race lost.* Between the question and the answer of a read, polls may bring changes of its keys. An open
 *     `Read` collects them; on arrival the newer of the two stays, by the entry's version. Without this an answer
 *     could put an older entry into L1 *after* its change had passed, and 1 would be broken until the next change.
 *  4. *Redis is believed only at a position.* Values come with the epoch and seq of their moment. No epoch: a nil means
 *     unknown, not empty. Another epoch than the followed one, a rewound one, or a seq before the one the read began
 *     with: the values cannot be placed on the line of changes, so they are unknown, too. Unknown goes to the manager.
 *  5. *A reset closes the books.* A read that was open during a reset is worth nothing, since changes may have been
 *     missed: its keys are asked for again.
 *  6. *Versions are compared within one epoch only.* A rebuild may go back to older versions (a restored backup). An
 *     entry of the manager may replace a newer version only where that one was last known current before the
 *     manager was asked.
 */
export class LevelOne {
  readonly #staleAfterMs: number;
  readonly #teams: LRUCache<string, TeamSlot>;
  readonly #plugins: LRUCache<string, Slot<PluginEntry>>;
  readonly #reads = new Set<Read>();
  #position: Position = { epoch: null, seq: 0 };
  #rewoundEpoch: string | null = null;
  #currentAsOf = Number.NEGATIVE_INFINITY;
  /** Counts resets: a read of an earlier one is void. */
  #generation = 0;
  /** Counts changes among plugin entries: what was joined before may be different now. */
  #pluginGeneration = 0;

  constructor(limits: { readonly teamsMax: number; readonly pluginsMax: number; readonly staleAfterMs: number }) {
    this.#staleAfterMs = limits.staleAfterMs;
    this.#teams = new LRUCache({ max: limits.teamsMax });
    this.#plugins = new LRUCache({ max: limits.pluginsMax });
  }

  /** What to poll with. */
  get position(): Position {
    return this.#position;
  }

  /** When L1 was last known to be what Redis has. */
  get currentAsOf(): number {
    return this.#currentAsOf;
  }

  get entries(): number {
    return this.#teams.size + this.#plugins.size;
  }

  /**
   * A team with its plugins, from memory; undefined when something about it must be read first.
   * Cheap for a team in L1: one look-up, no allocation, unless one of its entries has changed.
   * @param extra entries that were read for this call; they count where L1 had no room to keep them.
   */
  find(team: string, now: number, extra?: ReadonlyMap<RouteKey, AnySlot>): ResolvedTeam | null | undefined {
    const slot = this.#teams.get(team);
    if (slot?.joined !== undefined && slot.joinedGeneration === this.#pluginGeneration) {
      if (this.#isCurrent(now) || now - slot.joinedAsOf <= this.#staleAfterMs) return slot.joined;
    }
    return this.#join(team, slot, now, extra);
  }

  /** Adds what must be read before `find` can answer. */
  collectNeeded(team: string, now: number, extra: ReadonlyMap<RouteKey, AnySlot>, needed: Set<RouteKey>): void {
    const slot = this.#usable<TeamSlot>(this.#teams.get(team), teamKey(team), now, extra);
    if (slot === undefined) {
      needed.add(teamKey(team));
      return;
    }
    for (const { id } of slot.entry?.plugins ?? []) {
      if (this.#usable(this.#plugins.get(id), pluginKey(id), now, extra) === undefined) needed.add(pluginKey(id));
    }
  }

  /** Takes in a poll's answer. @param askedAt when it was sent. */
  applyPoll(answer: PollAnswer, askedAt: number): PollResult {
    const { epoch, seq } = this.#position;
    if (answer.since.epoch !== epoch || answer.since.seq !== seq) return { kind: "late" };
    if (answer.epoch === null) return { kind: "incomplete" };
    if (answer.epoch === this.#rewoundEpoch) return { kind: "rewound" };
    if (answer.epoch !== epoch) return this.#reset(answer, askedAt, epoch === null ? "first" : "epoch");
    if (answer.seq < seq) {
      this.#rewoundEpoch = answer.epoch;
      return { kind: "rewound" };
    }
    const contiguous =
      answer.changes.length === answer.seq - seq && answer.changes.every((change, at) => change.seq === seq + at + 1);
    if (!contiguous) return this.#reset(answer, askedAt, "hole");
    let malformed = 0;
    for (const change of answer.changes) {
      const key = asRouteKey(change.key);
      if (key !== null && !this.#applyChange(key, change.entry)) malformed += 1;
    }
    this.#position = { epoch: answer.epoch, seq: answer.seq };
    this.#currentAsOf = Math.max(this.#currentAsOf, askedAt);
    return { kind: "current", malformed };
  }

  /** Opens a read; one of `settle…` or `abandonRead` must follow. */
  beginRead(keys: readonly RouteKey[], askedAt: number): Read {
    const read: Read = { keys, askedAt, generation: this.#generation, seq: this.#position.seq, seen: new Map() };
    for (const key of keys) read.seen.set(key, undefined);
    this.#reads.add(read);
    return read;
  }

  abandonRead(read: Read): void {
    this.#reads.delete(read);
  }

  /** Takes in what Redis answered. Keys in neither list of the result must be asked for again. */
  settleCacheRead(read: Read, answer: CacheAnswer): CacheReadResult {
    this.#reads.delete(read);
    const result: CacheReadResult = { slots: new Map(), unknown: [], malformed: 0 };
    if (read.generation !== this.#generation) return result;
    const placed =
      answer.epoch !== null &&
      answer.epoch === this.#position.epoch &&
      answer.epoch !== this.#rewoundEpoch &&
      answer.seq >= read.seq;
    for (const [at, key] of read.keys.entries()) {
      const json = answer.values[at] ?? null;
      const entry = json === null || !placed ? null : parseRouteEntry(key, json);
      if (placed && json !== null && entry === null) result.malformed += 1;
      const unknown = !placed || (json !== null && entry === null) || read.seen.get(key) === "malformed";
      if (unknown) result.unknown.push(key);
      else result.slots.set(key, this.#keep(read, key, entry));
    }
    return result;
  }

  /** Takes in what the manager answered. Keys not in the result must be asked for again. */
  settleOriginRead(read: Read, answer: RoutesResponse): ReadonlyMap<RouteKey, AnySlot> {
    this.#reads.delete(read);
    const slots = new Map<RouteKey, AnySlot>();
    if (read.generation !== this.#generation) return slots;
    for (const key of read.keys) {
      const entry: RouteEntry | null | undefined = (key.startsWith("team:") ? answer.teams : answer.plugins)[idOf(key)];
      if (entry !== undefined && read.seen.get(key) !== "malformed") slots.set(key, this.#keep(read, key, entry));
    }
    return slots;
  }

  #isCurrent(now: number): boolean {
    return now - this.#currentAsOf <= this.#staleAfterMs;
  }

  /** A slot that may be used now: L1's own, or one read for the caller. Only L1's own are kept current by polls. */
  #usable<S extends AnySlot>(
    own: S | undefined,
    key: RouteKey,
    now: number,
    extra: ReadonlyMap<RouteKey, AnySlot> | undefined,
  ): S | undefined {
    if (own !== undefined && (this.#isCurrent(now) || now - own.asOf <= this.#staleAfterMs)) return own;
    const read = own === undefined ? (extra?.get(key) as S | undefined) : undefined;
    return read !== undefined && now - read.asOf <= this.#staleAfterMs ? read : undefined;
  }

  #join(
    team: string,
    own: TeamSlot | undefined,
    now: number,
    extra: ReadonlyMap<RouteKey, AnySlot> | undefined,
  ): ResolvedTeam | null | undefined {
    const slot = this.#usable(own, teamKey(team), now, extra);
    if (slot === undefined) return undefined;
    let joinedAsOf = slot.asOf;
    let onlyOwn = slot === own;
    const plugins = new Map<string, PluginEntry>();
    for (const { id } of slot.entry?.plugins ?? []) {
      const ownPlugin = this.#plugins.get(id);
      const plugin = this.#usable(ownPlugin, pluginKey(id), now, extra);
      if (plugin === undefined) return undefined;
      onlyOwn &&= plugin === ownPlugin;
      joinedAsOf = Math.min(joinedAsOf, plugin.asOf);
      if (plugin.entry !== null) plugins.set(id, plugin.entry);
    }
    const joined = slot.entry === null ? null : new JoinedTeam(slot.entry, plugins);
    if (onlyOwn) Object.assign(slot, { joined, joinedAsOf, joinedGeneration: this.#pluginGeneration });
    return joined;
  }

  #reset(answer: PollAnswer, askedAt: number, reason: ResetReason): PollResult {
    this.#teams.clear();
    this.#plugins.clear();
    this.#generation += 1;
    this.#pluginGeneration += 1;
    this.#rewoundEpoch = null;
    this.#position = { epoch: answer.epoch, seq: answer.seq };
    this.#currentAsOf = askedAt;
    return { kind: "reset", reason };
  }

  /** False when the entry cannot be read: then it is forgotten, so that the next look-up asks. */
  #applyChange(key: RouteKey, json: string): boolean {
    const waiting = [...this.#reads].filter((read) => read.seen.has(key));
    const known = this.#slot(key);
    if (known === undefined && waiting.length === 0) return true;
    const entry = parseRouteEntry(key, json);
    for (const read of waiting) read.seen.set(key, entry === null ? "malformed" : newer(read.seen.get(key), entry));
    if (entry === null) this.#delete(key);
    else if (known !== undefined && versionOf(entry) >= versionOf(known.entry)) this.#put(key, entry, known.asOf);
    return entry !== null;
  }

  /** Puts a read entry into L1, unless something newer is known; answers with what L1 holds then. */
  #keep(read: Read, key: RouteKey, answered: RouteEntry | null): AnySlot {
    const seen = read.seen.get(key);
    const entry = typeof seen === "object" && versionOf(seen) >= versionOf(answered) ? seen : answered;
    const known = this.#slot(key);
    const knownAsOf = known === undefined ? Number.NEGATIVE_INFINITY : Math.max(known.asOf, this.#currentAsOf);
    if (known !== undefined && knownAsOf > read.askedAt && versionOf(known.entry) > versionOf(entry)) return known;
    return this.#put(key, entry, Math.max(read.askedAt, known?.asOf ?? Number.NEGATIVE_INFINITY));
  }

  #slot(key: RouteKey): AnySlot | undefined {
    return key.startsWith("team:") ? this.#teams.peek(idOf(key)) : this.#plugins.peek(idOf(key));
  }

  #put(key: RouteKey, entry: RouteEntry | null, asOf: number): AnySlot {
    if (key.startsWith("team:")) {
      const slot: TeamSlot = { entry: entry as TeamEntry | null, asOf, joined: undefined, ...NOT_JOINED };
      this.#teams.set(idOf(key), slot);
      return slot;
    }
    const slot: Slot<PluginEntry> = { entry: entry as PluginEntry | null, asOf };
    this.#plugins.set(idOf(key), slot);
    this.#pluginGeneration += 1;
    return slot;
  }

  #delete(key: RouteKey): void {
    if (key.startsWith("team:")) this.#teams.delete(idOf(key));
    else if (this.#plugins.delete(idOf(key))) this.#pluginGeneration += 1;
  }
}

export type ResetReason = "first" | "epoch" | "hole";

export type PollResult =
  | { readonly kind: "current"; readonly malformed: number }
  | { readonly kind: "reset"; readonly reason: ResetReason }
  /** Redis has no complete table. */
  | { readonly kind: "incomplete" }
  /** Redis lost changes that were seen before. */
  | { readonly kind: "rewound" }
  /** The answer to a question that is no longer asked. */
  | { readonly kind: "late" };

/** A read under way. `seen` has every key of it, with the newest change that polls brought meanwhile. */
export interface Read {
  readonly keys: readonly RouteKey[];
  readonly askedAt: number;
  readonly generation: number;
  readonly seq: number;
  readonly seen: Map<RouteKey, RouteEntry | "malformed" | undefined>;
}

export interface CacheReadResult {
  readonly slots: Map<RouteKey, AnySlot>;
  /** Redis cannot tell; the manager can. */
  readonly unknown: RouteKey[];
  malformed: number;
}

/** A known absence is older than any version. */
const versionOf = (entry: RouteEntry | null): number => entry?.v ?? -1;

function newer(known: RouteEntry | "malformed" | undefined, entry: RouteEntry): RouteEntry | "malformed" {
  if (known === undefined) return entry;
  if (known === "malformed") return known;
  return versionOf(entry) >= versionOf(known) ? entry : known;
}
