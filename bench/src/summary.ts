import { max, median, min, quantile } from "simple-statistics";

/** Several measurements of one thing. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/** Undefined without any value. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const all = [...values];
  return { median: median(all), min: min(all), max: max(all), count: all.length };
}

/**
 * The order in which peers run in a repeat: forth, then back, then forth again, so that none always runs on the colder
 * broker or behind the same neighbour.
 */
export function orderOf<T>(items: readonly T[], repeat: number): T[] {
  return repeat % 2 === 0 ? [...items] : items.toReversed();
}

/**
 * How much faster one is than another: the ratio of the medians. Undefined when either was never measured.
 */
export function ratioOf(one: Spread | undefined, other: Spread | undefined): number | undefined {
  return one === undefined || other === undefined || other.median === 0 ? undefined : one.median / other.median;
}

/** The value that a share of the values does not exceed; undefined without any value. */
export function quantileOf(values: readonly number[], share: number): number | undefined {
  return values.length === 0 ? undefined : quantile([...values], share);
}
