import { ExponentialBackoff, handleAll, retry as retryPolicy } from "cockatiel";

/** Tries of a write that follows an attempt: about two seconds, so within the claim's lease. */
const PERSIST_ATTEMPTS_MAX = 5;

/** A handler's effect stands behind this write: a short trouble of the database must not make it look cut short. */
export async function persisted<T>(write: () => Promise<T>): Promise<T> {
  const backoff = new ExponentialBackoff({ initialDelay: 50, maxDelay: 1_000 });
  return await retryPolicy(handleAll, { maxAttempts: PERSIST_ATTEMPTS_MAX, backoff }).execute(write);
}
