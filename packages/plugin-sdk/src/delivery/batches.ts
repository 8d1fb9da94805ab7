import type { Clock } from "@plugboard/runtime";
import type { z } from "zod";
import type { Context, Delivery, PluginDefinition } from "../define-plugin.ts";
import { delivered, type Outcome } from "../outcome.ts";
import type { ResourceMap } from "../resources/resource.ts";
import type { Received } from "./received.ts";

export interface BatchesParts<Schema extends z.ZodObject> {
  readonly definition: PluginDefinition<Schema>;
  readonly limits: BatchLimits;
  readonly clock: Clock;
}

interface BatchLimits {
  readonly itemsMax: number;
  /** How long the first of a batch waits for more. */
  readonly waitMsMax: number;
  /** Batches under way at once. */
  readonly atOnceMax: number;
  /** Of them, of one team. */
  readonly teamAtOnceMax: number;
  /** How long a delivery waits for its batch's place at most: then it is put off, so that its window goes on. */
  readonly placeMsMax: number;
}

/** Deliveries of one (team, event), from gathering until the last is settled. */
interface Batch<Schema extends z.ZodObject> {
  readonly key: string;
  readonly team: string;
  readonly members: Map<string, Member<Schema>>;
  state: "gathering" | "under way" | "called";
  /** Ends what is being waited for, or the timer of it would outlive the batch, and the process's stop. */
  waiting: AbortController;
  /** It has waited long enough for those that are not at their handler yet. */
  overdue: boolean;
}

/** How long a batch under way waits for a member whose claim, or whose look at an earlier effect, takes its time. */
const MEET_MS_MAX = 3_000;

interface Member<Schema extends z.ZodObject> {
  readonly begun: PromiseWithResolvers<boolean>;
  /** At the handler, with what it was called with; absent while it is on its way there. */
  call: Call<Schema> | null;
}

interface Call<Schema extends z.ZodObject> {
  readonly delivery: Delivery;
  readonly context: Context<z.output<Schema>, ResourceMap>;
  readonly outcome: PromiseWithResolvers<Outcome>;
}

/**
 * Makes batches of single attempts, so that one place goes on deciding settlement (attempt.ts) and each delivery keeps its own
 * identity, deadline and retries.
 *
 *   join ──► gathering ──full, or waitMsMax over, and a place is free──► under way: each member is attempted
 *               └── no place within placeMsMax ──► put off                    │
 *                                  each is at its handler, or has left ──► called: onBatch ──► an outcome for each
 *
 * A delivery that is settled without a handler (a duplicate, say) leaves; the batch does not wait for it. What gathers is bounded by
 * the pool's places. Deliveries of one response are never in one batch: the pool begins the next when one has ended.
 */
export class Batches<Schema extends z.ZodObject> {
  readonly #parts: BatchesParts<Schema>;
  /** By key, the batch that still takes members: it grows until it is full, also while it waits for a place. */
  readonly #gathering = new Map<string, Batch<Schema>>();
  /** Those that only wait for a place, the oldest first. */
  readonly #waiting = new Set<Batch<Schema>>();
  readonly #batchOf = new Map<string, Batch<Schema>>();
  readonly #underWayOf = new Map<string, number>();
  #underWay = 0;

  constructor(parts: BatchesParts<Schema>) {
    this.#parts = parts;
  }

  /** The handler of a single delivery, for `attempt`: resolves with the delivery's own outcome once its batch has one. */
  readonly onEvent = async (
    delivery: Delivery,
    context: Context<z.output<Schema>, ResourceMap>,
  ): Promise<Outcome | undefined> => {
    const batch = this.#batchOf.get(delivery.id);
    const member = batch?.members.get(delivery.id);
    if (batch === undefined || member === undefined) throw new Error("this delivery is in no batch");
    const call = { delivery, context, outcome: Promise.withResolvers<Outcome>() };
    member.call = call;
    // Cut off before the batch has begun: it is not waited for, and not handled.
    const leave = () => this.#leave(batch, delivery.id);
    context.signal.addEventListener("abort", leave, { once: true });
    if (batch.state === "called") void this.#call([call]);
    else this.#callIfAll(batch);
    try {
      return await call.outcome.promise;
    } finally {
      context.signal.removeEventListener("abort", leave);
    }
  };

  /**
   * Attempts a delivery together with others.
   * @param attempt settles or stores it; calls `onEvent` above on its way.
   * @param putOff stores it for later.
   */
  async around(received: Received, attempt: () => Promise<void>, putOff: () => Promise<void>): Promise<void> {
    const { id } = received;
    // A copy of one that is on its way: alone, it finds out that it is one.
    if (this.#batchOf.has(id)) return await putOff();
    const batch = this.#join(received);
    try {
      if (!(await this.#begins(batch, id))) return await putOff();
      await attempt();
    } finally {
      this.#leave(batch, id);
      this.#batchOf.delete(id);
    }
  }

  #join({ id, event: { teamId: team, type } }: Received): Batch<Schema> {
    const key = JSON.stringify([team, type]);
    const { itemsMax, waitMsMax } = this.#parts.limits;
    let batch = this.#gathering.get(key);
    if (batch === undefined) {
      const waiting = new AbortController();
      const opened: Batch<Schema> = { key, team, members: new Map(), state: "gathering", waiting, overdue: false };
      this.#gathering.set(key, opened);
      this.#after(waitMsMax, opened, () => this.#due(opened));
      batch = opened;
    }
    batch.members.set(id, { begun: Promise.withResolvers<boolean>(), call: null });
    this.#batchOf.set(id, batch);
    if (batch.members.size >= itemsMax) {
      this.#gathering.delete(key);
      this.#due(batch);
    }
    return batch;
  }

  #due(batch: Batch<Schema>): void {
    if (batch.state === "gathering") this.#waiting.add(batch);
    this.#fill();
  }

  /** Whether its batch got a place in time. */
  async #begins(batch: Batch<Schema>, id: string): Promise<boolean> {
    const member = batch.members.get(id);
    if (member === undefined) return false;
    const late = new AbortController();
    const { placeMsMax } = this.#parts.limits;
    const over = this.#parts.clock.sleep(placeMsMax, late.signal).then(
      () => false,
      () => false,
    );
    const begun = await Promise.race([member.begun.promise, over]);
    late.abort();
    return begun || batch.state !== "gathering";
  }

  /** Gives free places to batches that wait, the oldest first, none of a team that has its share of them. */
  #fill(): void {
    const { atOnceMax, teamAtOnceMax } = this.#parts.limits;
    for (const batch of this.#waiting) {
      if (this.#underWay >= atOnceMax) return;
      const { key, team, members } = batch;
      const ofTeam = this.#underWayOf.get(team) ?? 0;
      if (ofTeam >= teamAtOnceMax && members.size > 0) continue;
      this.#waiting.delete(batch);
      if (this.#gathering.get(key) === batch) this.#gathering.delete(key);
      batch.waiting.abort();
      // All of them were put off.
      if (members.size === 0) continue;
      this.#underWay += 1;
      this.#underWayOf.set(team, ofTeam + 1);
      batch.state = "under way";
      for (const { begun } of members.values()) begun.resolve(true);
      batch.waiting = new AbortController();
      this.#after(MEET_MS_MAX, batch, () => {
        batch.overdue = true;
        this.#callIfAll(batch);
      });
    }
  }

  #after(ms: number, { waiting }: Batch<Schema>, then: () => void): void {
    this.#parts.clock.sleep(ms, waiting.signal).then(then, () => {});
  }

  /** A member is over, or will never be at its handler. */
  #leave(batch: Batch<Schema>, id: string): void {
    if (!batch.members.delete(id)) return;
    if (batch.members.size > 0) {
      this.#callIfAll(batch);
      return;
    }
    if (batch.state === "gathering") return;
    batch.waiting.abort();
    this.#underWay -= 1;
    const left = (this.#underWayOf.get(batch.team) ?? 1) - 1;
    if (left === 0) this.#underWayOf.delete(batch.team);
    else this.#underWayOf.set(batch.team, left);
    this.#fill();
  }

  /** Calls `onBatch` once everybody who has not left is at its handler; who comes later is called alone. */
  #callIfAll(batch: Batch<Schema>): void {
    const members = [...batch.members.values()];
    const calls = members.flatMap(({ call }) => call ?? []);
    if (batch.state !== "under way" || calls.length === 0) return;
    if (calls.length < members.length && !batch.overdue) return;
    batch.state = "called";
    batch.waiting.abort();
    for (const alike of bySettings(calls)) void this.#call(alike);
  }

  async #call(calls: readonly Call<Schema>[]): Promise<void> {
    const { onBatch } = this.#parts.definition;
    const [first] = calls;
    if (first === undefined || onBatch === undefined) return;
    try {
      const signal = AbortSignal.any(calls.map(({ context }) => context.signal));
      const { team, settings, logger, db, resources, flag } = first.context;
      const context = { team, settings, logger, db, resources, flag, signal };
      const outcomes = await onBatch(
        calls.map(({ delivery }) => delivery),
        context,
      );
      if (outcomes !== undefined && outcomes.length !== calls.length) {
        throw new Error(`onBatch answered ${outcomes.length} outcomes for ${calls.length} deliveries`);
      }
      calls.forEach(({ outcome }, index) => {
        outcome.resolve(outcomes?.[index] ?? delivered());
      });
    } catch (error) {
      for (const { outcome } of calls) outcome.reject(error);
    }
  }
}

/** A team's settings may have changed while its batch was on its way: each is handled with those it was attempted with. */
function bySettings<Schema extends z.ZodObject>(calls: readonly Call<Schema>[]): Iterable<readonly Call<Schema>[]> {
  return Map.groupBy(calls, ({ context }) => context.settings).values();
}
