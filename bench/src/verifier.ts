import { z } from "zod";
import type { Workload } from "./workload.ts";

/** A copy as it was read from an output topic. */
export interface Copy {
  readonly plugin: number;
  /** 0 unless its plugin's copies are read in several lanes: order holds within each. */
  readonly lane?: number;
  readonly partition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [Buffer | null, Buffer | null])[];
}

/** What was found in a run's copies. */
export const verdictSchema = z.object({
  /** Copies read. */
  copies: z.int(),
  /** Copies that had to be there. */
  expected: z.int(),
  missing: z.int(),
  duplicate: z.int(),
  misrouted: z.int(),
  /** Other bytes, another key, or an original header that is gone or altered. */
  changed: z.int(),
  /** First copies that came behind a later one of their key, or in another partition than the key's others. */
  orderBreaks: z.int(),
});
export type Verdict = Readonly<z.infer<typeof verdictSchema>>;
/** What was wrong; all zero in a valid run. */
export type Faults = Omit<Verdict, "copies" | "expected">;

const NONE = -1;

/**
 * Compares every copy with what had to be written. Memory is a few bytes per record and plugin, so that millions of
 * records are checked in one pass.
 */
export class Verifier {
  readonly #workload: Workload;
  readonly #pluginsOf: (serial: number) => readonly number[];
  /** Per plugin and serial: how often it was read, at most 255. */
  readonly #seen: readonly Uint8Array[];
  /** Per lane, plugin and key: the highest serial read. */
  readonly #last: readonly Int32Array[];
  readonly #partition: readonly Int8Array[];
  readonly #serials: number;
  #copies = 0;
  #duplicate = 0;
  #misrouted = 0;
  #changed = 0;
  #orderBreaks = 0;

  /**
   * @param serials the records that were produced: those from 0.
   * @param pluginsOf where a record has to go: the team's plugins, unless the peer does not route at all.
   * @param lanes of each plugin; a copy may be in any of them.
   */
  constructor(
    workload: Workload,
    serials = workload.spec.records,
    pluginsOf: (serial: number) => readonly number[] = (serial) => workload.pluginsOf(workload.teamOf(serial)),
    lanes = 1,
  ) {
    this.#workload = workload;
    this.#pluginsOf = pluginsOf;
    this.#serials = serials;
    const { plugins, teams, key } = workload.spec;
    const keys = key === "team" ? teams : workload.responses;
    const perPlugin = <T>(make: () => T) => Array.from({ length: plugins }, make);
    this.#seen = perPlugin(() => new Uint8Array(serials));
    const perLane = <T>(make: () => T) => Array.from({ length: plugins * lanes }, make);
    this.#last = perLane(() => new Int32Array(keys).fill(NONE));
    this.#partition = perLane(() => new Int8Array(keys).fill(NONE));
  }

  /** Takes the next copy of a partition. @returns its serial; -1 when it is no record of the workload. */
  take(copy: Copy): number {
    this.#copies++;
    const { plugin, value } = copy;
    const serial = value === null ? NONE : this.#workload.serialOf(value);
    if (serial === NONE || serial >= this.#serials) {
      this.#changed++;
      return NONE;
    }
    if (!this.#isUnchanged(serial, copy)) this.#changed++;
    if (!this.#pluginsOf(serial).includes(plugin)) {
      this.#misrouted++;
      return serial;
    }
    const seen = this.#seen[plugin] as Uint8Array;
    const before = seen[serial] as number;
    if (before < 255) seen[serial] = before + 1;
    if (before > 0) this.#duplicate++;
    else this.#checkOrder(serial, copy);
    return serial;
  }

  /** Whether everything that had to be there has been read. */
  verdict(): Verdict {
    let expected = 0;
    let missing = 0;
    for (let serial = 0; serial < this.#serials; serial++) {
      for (const plugin of this.#pluginsOf(serial)) {
        expected++;
        if (this.#seen[plugin]?.[serial] === 0) missing++;
      }
    }
    return {
      copies: this.#copies,
      expected,
      missing,
      duplicate: this.#duplicate,
      misrouted: this.#misrouted,
      changed: this.#changed,
      orderBreaks: this.#orderBreaks,
    };
  }

  #isUnchanged(serial: number, { key, value, headers }: Copy): boolean {
    const workload = this.#workload;
    if (value === null || !workload.isValue(serial, value)) return false;
    if (key === null || key.toString("latin1") !== workload.keyText(serial)) return false;
    if (workload.spec.envelope === "flat") return true;
    for (const [name, text] of workload.record(serial).headers)
      if (!headers.some((header) => header[0]?.equals(name) && header[1]?.equals(text))) return false;
    return true;
  }

  #checkOrder(serial: number, { plugin, lane = 0, partition }: Copy): void {
    const key = this.#workload.keyNumberOf(serial);
    const place = lane * this.#workload.spec.plugins + plugin;
    const last = this.#last[place] as Int32Array;
    const partitions = this.#partition[place] as Int8Array;
    const known = partitions[key] as number;
    if (known !== NONE && known !== partition) this.#orderBreaks++;
    else if (serial < (last[key] as number)) this.#orderBreaks++;
    partitions[key] = partition;
    last[key] = Math.max(serial, last[key] as number);
  }
}

/** Whether a run's numbers may be used. */
export function isFaultless(faults: Faults): boolean {
  return faults.missing + faults.duplicate + faults.misrouted + faults.changed + faults.orderBreaks === 0;
}
