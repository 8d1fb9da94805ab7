import { ROUTES_REQUEST_MAX, teamIdSchema } from "@plugboard/contract";
import { type Clock, type Logger, SparseLog } from "@plugboard/runtime";
import { LevelOne, type PollResult } from "./domain/level-one.ts";
import type { AnySlot } from "./domain/level-one-slots.ts";
import type { FetchRoutes, RouteCache, RouteKey, TableObserver } from "./domain/ports.ts";
import { idOf } from "./domain/route-entry.ts";
import type { ResolvedTeam, RoutingTable, TablePosition } from "./routing-table.ts";

export interface LayeredRoutingTableOptions {
  /** L2; null for a process without Redis, which lives on the manager alone. */
  readonly cache: RouteCache | null;
  /** L3. */
  readonly fetchRoutes: FetchRoutes;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: TableObserver;
  readonly teamsMax: number;
  readonly pollMs: number;
  readonly staleAfterMs: number;
  /** Between 0 and 1, for jitter. */
  readonly random: () => number;
}

/** Plugin entries kept: far more than anybody runs, 1 KB each. */
const PLUGINS_MAX = 5_000;
/** Keys in one MGET: about 10 MB of answer if every entry were a large one. */
const CACHE_KEYS_MAX = 2_000;
/** Pause before a look-up that nobody could answer is tried again, milliseconds; half of it is jitter. */
const RETRY_PAUSE_MS = 200;

/**
 * The routing table as readers see it: L1 in front of Redis in front of the manager. {@link LevelOne} decides what may
 * be believed; this class only asks, and waits.
 *
 *   resolve ──► all in L1 ────────────────────────────────────────► answer, without a pause
 *      │ no: the missing keys, each asked for once however many callers wait for it
 *      ├──► Redis: one MGET with epoch and seq (left out while the last poll had no valid answer)
 *      ├──► what Redis cannot tell: the manager, ≤ 1,000 teams a call
 *      └──► again from the start, so that the whole answer is of one moment; after a pause when somebody did not answer
 */
export class LayeredRoutingTable implements RoutingTable {
  readonly #options: LayeredRoutingTableOptions;
  readonly #l1: LevelOne;
  readonly #stopped = new AbortController();
  /** Who waits for what. Bounded by the distinct keys of the batches being resolved. */
  readonly #underWay = new Map<RouteKey, Promise<ReadonlyMap<RouteKey, AnySlot>>>();
  #following: Promise<void> | undefined;
  #lastPoll: PollResult["kind"] | "failed" | "none" = "none";
  readonly #originTrouble: SparseLog;
  #originAsOf = Number.NEGATIVE_INFINITY;

  constructor(options: LayeredRoutingTableOptions) {
    this.#options = options;
    this.#originTrouble = new SparseLog(options.logger, options.clock);
    this.#l1 = new LevelOne({
      teamsMax: options.teamsMax,
      pluginsMax: PLUGINS_MAX,
      staleAfterMs: options.staleAfterMs,
    });
  }

  /** Resolves as soon as somebody can answer: Redis with a complete table, or the manager. */
  async start(signal?: AbortSignal): Promise<void> {
    const { cache, pollMs } = this.#options;
    signal?.throwIfAborted();
    if (cache !== null) {
      await this.#poll(cache);
      this.#following ??= this.#follow(cache);
    }
    while (!this.#cacheAnswers && !(await this.#askOrigin([]))) await this.#pause(pollMs, signal);
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new Error("the routing table is stopped"));
    await this.#following;
    await this.#options.cache?.close();
  }

  async resolve(teams: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, ResolvedTeam | null>> {
    const { observer, random } = this.#options;
    const extra = new Map<RouteKey, AnySlot>();
    for (let firstLook = true; ; firstLook = false) {
      const found = new Map<string, ResolvedTeam | null>();
      const needed = this.#look(teams, extra, found);
      if (firstLook) observer.lookedUp(teams.length - needed.teams, needed.teams);
      if (needed.keys.size === 0) return found;
      const complete = await unlessAborted(this.#read(needed.keys, extra), signal);
      if (!complete) await this.#pause(RETRY_PAUSE_MS * (0.5 + random() / 2), signal);
    }
  }

  known(team: string): ResolvedTeam | null | undefined {
    const answer = this.#l1.find(team, this.#options.clock.monotonic());
    if (answer !== undefined) this.#options.observer.lookedUp(1, 0);
    return answer;
  }

  stalenessSeconds(): number {
    const asOf = Math.max(this.#l1.currentAsOf, this.#originAsOf);
    return (this.#options.clock.monotonic() - asOf) / 1_000;
  }

  position(): TablePosition {
    return this.#l1.position;
  }

  /** Entries in L1. */
  get entries(): number {
    return this.#l1.entries;
  }

  get #cacheAnswers(): boolean {
    return this.#lastPoll === "current" || this.#lastPoll === "reset";
  }

  /** One look at L1 for the whole batch, at one moment. */
  #look(
    teams: readonly string[],
    extra: ReadonlyMap<RouteKey, AnySlot>,
    found: Map<string, ResolvedTeam | null>,
  ): { readonly keys: ReadonlySet<RouteKey>; readonly teams: number } {
    const now = this.#options.clock.monotonic();
    let keys = NOTHING_NEEDED;
    let missing = 0;
    for (const team of teams) {
      const answer = this.#l1.find(team, now, extra);
      if (answer !== undefined) {
        found.set(team, answer);
      } else if (!teamIdSchema.safeParse(team).success) {
        // Nobody can be called that; asking for it would spoil the request for all others.
        found.set(team, null);
      } else {
        missing += 1;
        if (keys === NOTHING_NEEDED) keys = new Set();
        this.#l1.collectNeeded(team, now, extra, keys as Set<RouteKey>);
      }
    }
    return { keys, teams: missing };
  }

  /** Reads what nobody reads yet, and waits for what others do. True when every key was answered. */
  async #read(keys: ReadonlySet<RouteKey>, extra: Map<RouteKey, AnySlot>): Promise<boolean> {
    const own = [...keys].filter((key) => !this.#underWay.has(key));
    for (let at = 0; at < own.length; at += CACHE_KEYS_MAX) {
      const part = own.slice(at, at + CACHE_KEYS_MAX);
      const reading = this.#readOnce(part).finally(() => {
        for (const key of part) this.#underWay.delete(key);
      });
      for (const key of part) this.#underWay.set(key, reading);
    }
    const readings = new Set([...keys].flatMap((key) => this.#underWay.get(key) ?? []));
    const unanswered = new Set(keys);
    for (const slots of await Promise.all(readings)) {
      for (const [key, slot] of slots) if (unanswered.delete(key)) extra.set(key, slot);
    }
    return unanswered.size === 0;
  }

  /** Redis first, then the manager for what it could not tell. Never rejects: who is not answered is not in the result. */
  async #readOnce(keys: readonly RouteKey[]): Promise<ReadonlyMap<RouteKey, AnySlot>> {
    const { cache } = this.#options;
    if (cache === null || !this.#cacheAnswers) return await this.#readOrigin(keys);
    const { slots, unknown } = await this.#readCache(cache, keys);
    if (unknown.length === 0) return slots;
    return new Map([...slots, ...(await this.#readOrigin(unknown))]);
  }

  async #readCache(
    cache: RouteCache,
    keys: readonly RouteKey[],
  ): Promise<{ slots: ReadonlyMap<RouteKey, AnySlot>; unknown: readonly RouteKey[] }> {
    const read = this.#l1.beginRead(keys, this.#options.clock.monotonic());
    try {
      const result = this.#l1.settleCacheRead(read, await cache.read(keys));
      if (result.malformed > 0) this.#options.observer.malformed(result.malformed);
      return result;
    } catch (error) {
      this.#l1.abandonRead(read);
      this.#options.logger.debug({ error }, "Redis did not answer a look-up; asking the manager");
      return { slots: new Map(), unknown: keys };
    }
  }

  async #readOrigin(keys: readonly RouteKey[]): Promise<ReadonlyMap<RouteKey, AnySlot>> {
    const parts: RouteKey[][] = [];
    for (let at = 0; at < keys.length; at += ROUTES_REQUEST_MAX) parts.push(keys.slice(at, at + ROUTES_REQUEST_MAX));
    const slots = new Map<RouteKey, AnySlot>();
    await Promise.all(parts.map((part) => this.#askOrigin(part, slots)));
    return slots;
  }

  /** One call to the manager; false when it did not answer. */
  async #askOrigin(keys: readonly RouteKey[], slots = new Map<RouteKey, AnySlot>()): Promise<boolean> {
    const { fetchRoutes, clock, observer } = this.#options;
    const askedAt = clock.monotonic();
    const read = this.#l1.beginRead(keys, askedAt);
    try {
      const teams = keys.filter((key) => key.startsWith("team:")).map(idOf);
      const plugins = keys.filter((key) => key.startsWith("plugin:")).map(idOf);
      const answer = await fetchRoutes({ teams, plugins }, this.#stopped.signal);
      for (const [key, slot] of this.#l1.settleOriginRead(read, answer)) slots.set(key, slot);
      this.#originAsOf = Math.max(this.#originAsOf, askedAt);
      observer.askedOrigin("answered");
      return true;
    } catch (error) {
      this.#l1.abandonRead(read);
      if (this.#stopped.signal.aborted) return false;
      observer.askedOrigin("failed");
      const problem = (error as Error).message;
      this.#originTrouble.warn({ problem, keys: keys.length }, "the manager gave no answer to a look-up of routes");
      return false;
    }
  }

  async #follow(cache: RouteCache): Promise<void> {
    const { clock, pollMs } = this.#options;
    while (!this.#stopped.signal.aborted) {
      // Stopping ends the pause early by rejecting it; the loop's condition then ends the loop.
      await clock.sleep(pollMs, this.#stopped.signal).catch(() => undefined);
      if (!this.#stopped.signal.aborted) await this.#poll(cache);
    }
  }

  async #poll(cache: RouteCache): Promise<void> {
    const { clock, observer, logger } = this.#options;
    const askedAt = clock.monotonic();
    let result: PollResult["kind"] | "failed";
    let detail: object = {};
    try {
      const answer = await cache.poll(this.#l1.position);
      const applied = this.#l1.applyPoll(answer, askedAt);
      if (applied.kind === "reset") observer.reset(applied.reason);
      if (applied.kind === "current" && applied.malformed > 0) observer.malformed(applied.malformed);
      result = applied.kind;
      detail = applied;
    } catch (error) {
      result = "failed";
      detail = { error };
    }
    observer.polled(result);
    const didAnswer = this.#cacheAnswers;
    const before = this.#lastPoll;
    this.#lastPoll = result;
    if (this.#cacheAnswers && !didAnswer) logger.info({ ...detail, before }, "the routing table in Redis answers");
    if (!this.#cacheAnswers && before !== result)
      logger.warn({ ...detail, result }, "the routing table in Redis does not answer; the manager will be asked");
  }

  /** @throws the reason of the caller's signal, or of the table's own when it is stopped. */
  async #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const stopped = this.#stopped.signal;
    const either = signal === undefined ? stopped : AbortSignal.any([signal, stopped]);
    // Cut short, the pause fails with an error of its own; the reasons are thrown instead.
    await this.#options.clock.sleep(ms, either).catch(() => undefined);
    signal?.throwIfAborted();
    stopped.throwIfAborted();
  }
}

const NOTHING_NEEDED: ReadonlySet<RouteKey> = new Set();

/** The work's result, unless the signal aborts first; the work itself goes on for others that wait for it. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
