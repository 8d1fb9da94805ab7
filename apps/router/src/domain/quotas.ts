import type { Quota } from "@plugboard/contract";
import { LRUCache } from "lru-cache";

/**
 * Routes with a quota whose bucket is kept, at about 250 bytes each: 12.5 MB. A route that was forgotten because so many
 * others were busy begins with a full bucket again.
 */
const BUCKETS_MAX = 50_000;

/** What a route may take now, and at what it fills: the quota's part that is this process's. */
interface Bucket {
  tokens: number;
  /** When `tokens` was right, monotonic milliseconds. */
  atMs: number;
  perMs: number;
  burst: number;
}

/** A team that has used up what this process may let through to a plugin. */
export interface UsedUp {
  readonly team: string;
  readonly plugin: string;
  /** This process's part of the quota. */
  readonly eventsPerSecond: number;
}

/** Says whether a copy is within its quota, and counts it if it is. */
export interface Admission {
  admits(team: string, plugin: string, quota: Quota): boolean;
}

/**
 * A token bucket for each (team, plugin) that has a quota, in this process alone: it holds the part of the quota that is
 * this process's part of the partitions, so that all routers together let through what the quota says, as long as a team's
 * keys are spread over the partitions.
 *
 *   a batch begins: time and share are read once
 *   a copy:         fill(what has passed, at the old quota) ──► adopt the quota of now ──► a token left? ──► live : bulk
 *
 * Within any time t a bucket admits at most burst + rate × t of its share, whatever becomes of quota and share meanwhile: a
 * larger burst has to fill at the rate like any other, a smaller one counts at once.
 */
export class Quotas implements Admission {
  readonly #buckets: LRUCache<string, Bucket>;
  #nowMs = 0;
  #share = 1;

  constructor(bucketsMax = BUCKETS_MAX) {
    this.#buckets = new LRUCache({ max: bucketsMax });
  }

  /**
   * To be called for each batch.
   * @param nowMs monotonic.
   * @param share this process's part of the fleet's work, above 0 and up to 1.
   */
  begin(nowMs: number, share: number): void {
    this.#nowMs = nowMs;
    this.#share = share;
  }

  admits(team: string, plugin: string, quota: Quota): boolean {
    // Neither id can have a slash in it.
    const bucket = this.#current(`${team}/${plugin}`, quota);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  /** Routes whose bucket is kept. */
  get kept(): number {
    return this.#buckets.size;
  }

  /**
   * Who has nothing left now, the last to ask first.
   * @param nowMs monotonic.
   */
  usedUp(nowMs: number, countMax: number): UsedUp[] {
    const found: UsedUp[] = [];
    for (const [key, { tokens, atMs, perMs }] of this.#buckets.entries()) {
      if (tokens + (nowMs - atMs) * perMs >= 1) continue;
      const [team = "", plugin = ""] = key.split("/");
      found.push({ team, plugin, eventsPerSecond: perMs * 1_000 });
      if (found.length === countMax) break;
    }
    return found;
  }

  #current(key: string, { eventsPerSecond, burst }: Quota): Bucket {
    const perMs = (eventsPerSecond * this.#share) / 1_000;
    // With less than one nothing would ever pass.
    const burstShare = Math.max(1, burst * this.#share);
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = { tokens: burstShare, atMs: this.#nowMs, perMs, burst: burstShare };
      this.#buckets.set(key, bucket);
      return bucket;
    }
    bucket.tokens = Math.min(bucket.burst, bucket.tokens + (this.#nowMs - bucket.atMs) * bucket.perMs);
    bucket.atMs = this.#nowMs;
    bucket.perMs = perMs;
    bucket.burst = burstShare;
    if (bucket.tokens > burstShare) bucket.tokens = burstShare;
    return bucket;
  }
}

/** For those who ask what the table says, not how much of it is used up. */
export const NO_QUOTAS: Admission = { admits: () => true };
