import { quantileOf } from "../summary.ts";
import type { SentSpan } from "./live-load.ts";

/** How long events took from when they were meant to be sent. */
export interface Latencies {
  readonly measured: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/**
 * Of the events of a span that have arrived. @param arrivals by serial, milliseconds since the epoch, NaN for never.
 * @param isMeasured which serials count. @throws when none of them has arrived.
 */
export function latenciesOf(
  { from, to, intendedAtMs }: Pick<SentSpan, "from" | "to" | "intendedAtMs">,
  arrivals: Float64Array,
  isMeasured: (serial: number) => boolean,
): Latencies {
  const all: number[] = [];
  for (let serial = from; serial < to; serial++) {
    const arrivedAtMs = arrivals[serial] ?? Number.NaN;
    if (isMeasured(serial) && !Number.isNaN(arrivedAtMs)) all.push(arrivedAtMs - intendedAtMs(serial));
  }
  const at = (share: number) => {
    const value = quantileOf(all, share);
    if (value === undefined) throw new Error("nothing has arrived");
    return value;
  };
  return { measured: all.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}
