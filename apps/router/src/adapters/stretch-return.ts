import type { SparseLog } from "@plugboard/runtime";
import { NO_PARKED_TARGET, type ParkedCopy } from "../domain/parked-record.ts";
import type { RouterMetrics } from "../domain/ports.ts";
import type { ReturnCursors, Stretch } from "../domain/return-cursors.ts";
import type { AwayTargets } from "./away-targets.ts";
import type { Refusal, ReturnWriter } from "./return-writer.ts";
import type { ReturningPartition } from "./returning-partition.ts";

export interface StretchReturnOptions {
  readonly writer: ReturnWriter;
  readonly away: AwayTargets;
  readonly metrics: RouterMetrics;
  readonly log: SparseLog;
}

/**
 * Writes what of a stretch is owed and may go, and moves the cursors behind it. A topic that refuses is away from the first
 * copy on that it did not take; the others go on.
 */
export class StretchReturn {
  readonly #options: StretchReturnOptions;

  constructor(options: StretchReturnOptions) {
    this.#options = options;
  }

  /**
   * @returns false when nothing of it could be done.
   * @throws when nobody answers, or the partition has gone to another.
   */
  async return(returning: ReturningPartition, cursors: ReturnCursors, stretch: Stretch<ParkedCopy>): Promise<boolean> {
    const { writer, away } = this.#options;
    const allowed = new Map<string, number>();
    const refusedFrom = new Map<string, number>();
    const terms = {
      may: (target: string) => {
        const count = allowed.get(target) ?? away.may(target);
        allowed.set(target, count);
        return count;
      },
      refusedFrom,
    };
    for (;;) {
      returning.assertOurs();
      const { write, next } = cursors.through(stretch, terms);
      if (await this.#someUnwritable(write, refusedFrom)) continue;
      if (write.length === 0 && next.encode().metadata === cursors.encode().metadata) {
        if (stretch.start === cursors.position) this.#noRoom(returning, cursors);
        return false;
      }
      const refusals = write.length === 0 ? [] : await this.#write(returning, write, next);
      for (const refusal of refusals) this.#refused(refusal, refusedFrom);
      // Nothing was written then: again, without those that refused.
      if (writer.commits && refusals.length > 0) continue;
      this.#returned(write, refusedFrom);
      const reached = refusals.length === 0 ? next : cursors.through(stretch, terms).next;
      for (const target of cursors.held.keys()) if (!reached.held.has(target)) away.forget(target);
      if (writer.commits && write.length > 0) returning.wentOn(reached);
      else await returning.goOn(reached);
      return true;
    }
  }

  /** Looks at the topics before anything is sent. */
  async #someUnwritable(write: readonly ParkedCopy[], refusedFrom: Map<string, number>): Promise<boolean> {
    const firsts = new Map<string, number>();
    for (const { target, offset } of write) if (!firsts.has(target)) firsts.set(target, offset);
    let found = false;
    for (const [topic, from] of firsts) {
      const why = await this.#options.writer.whyUnwritable(topic);
      if (why === null) continue;
      this.#refused({ topic, from, why, tooLarge: false }, refusedFrom);
      found = true;
    }
    return found;
  }

  async #write(returning: ReturningPartition, write: readonly ParkedCopy[], next: ReturnCursors): Promise<Refusal[]> {
    const { writer } = this.#options;
    try {
      return await writer.write(write, returning.commitOf(next));
    } catch (error) {
      if (writer.commits) returning.forgetCursors();
      throw error;
    }
  }

  #refused(refusal: Refusal, refusedFrom: Map<string, number>): void {
    this.#options.away.refused(refusal);
    refusedFrom.set(refusal.topic, Math.min(refusal.from, refusedFrom.get(refusal.topic) ?? refusal.from));
  }

  #returned(write: readonly ParkedCopy[], refusedFrom: ReadonlyMap<string, number>): void {
    const { metrics, away } = this.#options;
    const counts = new Map<string, number>();
    for (const { target, offset, malformed } of write) {
      if (offset >= (refusedFrom.get(target) ?? Number.POSITIVE_INFINITY)) continue;
      if (malformed) metrics.malformed(NO_PARKED_TARGET);
      else counts.set(target, (counts.get(target) ?? 0) + 1);
      if (!refusedFrom.has(target)) away.written(target);
    }
    for (const [target, count] of counts) metrics.parkedReturned(target, count);
  }

  #noRoom({ partition }: ReturningPartition, { held }: ReturnCursors): void {
    this.#options.log.warn(
      { partition, topics: held.size },
      "too many topics are away: parked copies behind theirs wait with them",
    );
  }
}
