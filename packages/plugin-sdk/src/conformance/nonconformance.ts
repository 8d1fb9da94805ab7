import {
  ConstantBackoff,
  handleWhenResult,
  isTaskCancelledError,
  retry,
  TimeoutStrategy,
  timeout,
  wrap,
} from "cockatiel";

/** Something a plugin did, or did not do, that the protocol does not allow; said for its author. */
export class NonConformance extends Error {
  override readonly name = "NonConformance";
}

/** @throws NonConformance unless it holds. */
export function must(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new NonConformance(otherwise);
}

/** How often something is looked for, milliseconds. */
const LOOK_EVERY_MS = 25;

/**
 * Looks until there is something, and answers it.
 * @param otherwise what is wrong when there is nothing in time.
 * @throws NonConformance; and what `look` throws.
 */
export async function eventually<T>(
  look: () => T | undefined | Promise<T | undefined>,
  withinMs: number,
  otherwise: () => string,
): Promise<T> {
  const again = retry(
    handleWhenResult((found) => found === undefined),
    { maxAttempts: Number.POSITIVE_INFINITY, backoff: new ConstantBackoff(LOOK_EVERY_MS) },
  );
  try {
    return (await wrap(timeout(withinMs, TimeoutStrategy.Aggressive), again).execute(look)) as T;
  } catch (error) {
    throw isTaskCancelledError(error) ? new NonConformance(`${otherwise()} (waited ${withinMs} ms)`) : error;
  }
}
