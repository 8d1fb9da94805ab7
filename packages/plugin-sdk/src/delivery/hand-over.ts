import type { Clock } from "@plugboard/runtime";
import type { RetryStore } from "../store/retry-store.ts";
import type { UnderWay } from "../store/unrecorded-deliveries.ts";
import type { CircuitBreakers } from "./circuit-breakers.ts";
import { type FairPool, LATE_MS } from "./fair-pool.ts";
import type { Received } from "./received.ts";

export interface HandOverParts {
  readonly retries: Pick<RetryStore, "handOver">;
  readonly underWay: UnderWay;
  /** Knows how long a team's handlers have been at it. */
  readonly attempter: { callingSince(team: string): number | null };
  readonly breakers: Pick<CircuitBreakers, "parks">;
  readonly pool: Pick<FairPool, "hasRoom" | "hasItsShare">;
  /** The due-time table's size, as far as known; counted up here. */
  readonly table: { waiting: number };
  readonly clock: Clock;
  /** How long a claim holds. */
  readonly leaseMs: number;
  readonly limits: HandOverLimits;
}

export interface HandOverLimits {
  /** Entries in the due-time table beyond which nothing is handed over: then the partition waits, as for a full vendor. */
  readonly tableEntriesMax: number;
  /** A call that has lasted this long makes way for others while places are free: what its team has in its window leaves it. */
  readonly slowMs: number;
  /** A window longer than this lets go of teams that have more in it than they get done, while places are free. */
  readonly windowMsMax: number;
}

/** Of what is urgent or live. */
export const PROMPT_LIMITS: HandOverLimits = { tableEntriesMax: 50_000, slowMs: 250, windowMsMax: 10_000 };
/**
 * Bulk is large by its nature, and nobody waits for it: it stays in its topic, except for what would hang there before
 * others, and leaves four fifths of the room in the table to what is prompt.
 */
export const BULK_LIMITS: HandOverLimits = {
  tableEntriesMax: 10_000,
  slowMs: LATE_MS,
  windowMsMax: Number.POSITIVE_INFINITY,
};

/** When an entry that waits for its turn is looked at first; the retry loop takes it when its team has a place. */
const TURN_MS = 1_000;

/**
 * Decides which deliveries of a fetched window move to the due-time table without (or beside) an attempt, so that the
 * offset goes on and one team that is slow or hangs does not hold up the others behind it in the same partition.
 */
export class HandOver {
  readonly #parts: HandOverParts;

  constructor(parts: HandOverParts) {
    this.#parts = parts;
  }

  /** Whether a team's new records need not even queue: it is parked, or all its places are taken by calls that take their time. */
  atOnce(team: string): boolean {
    const { breakers, pool } = this.#parts;
    return this.#possible && (breakers.parks(team) || (pool.hasItsShare(team) && this.#holdsUp(team)));
  }

  /** Whether a window of this age lets go of what a team has in it. */
  wanted(team: string, windowMs: number): boolean {
    if (!this.#possible) return false;
    const { pool, attempter, limits } = this.#parts;
    if (windowMs >= limits.slowMs && this.#holdsUp(team)) return true;
    return windowMs >= limits.windowMsMax && pool.hasRoom && attempter.callingSince(team) !== null;
  }

  /** Stores deliveries whose attempts have not begun, in their order. */
  async waiting(received: readonly Received[]): Promise<void> {
    await this.#parts.retries.handOver(received, TURN_MS);
    this.#parts.table.waiting += received.length;
  }

  /** Stores a delivery whose attempt is under way; false when it is not at its handler (yet, or any more). */
  async underWay(received: Received): Promise<boolean> {
    const stored = await this.#parts.underWay.store(received, this.#parts.leaseMs);
    if (stored) this.#parts.table.waiting += 1;
    return stored;
  }

  /** To be called when an attempt that was handed over has ended: it may have been settled while it was stored. */
  async ended(received: Received): Promise<void> {
    await this.#parts.underWay.ended(received);
  }

  get #possible(): boolean {
    return this.#parts.table.waiting < this.#parts.limits.tableEntriesMax;
  }

  /** Whether others could be served in the time that its calls take. */
  #holdsUp(team: string): boolean {
    const { attempter, pool, clock, limits } = this.#parts;
    const since = attempter.callingSince(team);
    return since !== null && clock.monotonic() - since >= (pool.hasRoom ? limits.slowMs : LATE_MS);
  }
}
