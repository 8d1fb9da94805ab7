/** Deadline of a handler call of a plugin that says nothing else, milliseconds. */
export const HANDLER_DEADLINE_MS = 30_000;

/** How a bounded call ended, when not with a value. */
export class DeadlineError extends Error {
  readonly ms: number;
  constructor(ms: number) {
    super(`no answer within ${ms} ms`);
    this.name = "DeadlineError";
    this.ms = ms;
  }
}

/** When a call is cut off. Its signal is made when it is first asked for: a thousand quick calls a second never ask. */
export class CutOff {
  #controller: AbortController | null = null;
  #why: { readonly reason: unknown } | null = null;

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#why !== null) this.#controller.abort(this.#why.reason);
    }
    return this.#controller.signal;
  }

  cut(reason: unknown): void {
    this.#why = { reason };
    this.#controller?.abort(reason);
  }
}

/**
 * Calls a handler with a signal that aborts at its deadline or with `outer`, and does not wait longer than that: a
 * handler that ignores its signal is left behind.
 * @param cutOff of a call that has begun already.
 * @throws DeadlineError at the deadline; `outer`'s reason when that was aborted.
 */
export async function withinDeadline<T>(
  ms: number,
  outer: AbortSignal,
  work: (cutOff: CutOff) => Promise<T>,
  cutOff = new CutOff(),
): Promise<T> {
  outer.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const cut = (reason: unknown) => {
    // The wait ends first, so that a handler that throws because of the signal does not hide why it was aborted.
    reject(reason);
    cutOff.cut(reason);
  };
  const timer = setTimeout(() => cut(new DeadlineError(ms)), ms);
  const waiting = callsWithin(outer);
  waiting.add(cut);
  try {
    Promise.resolve(work(cutOff)).then(resolve, reject);
  } catch (error) {
    // Thrown before its first await: a rejection like any other.
    reject(error);
  }
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    waiting.delete(cut);
  }
}

/** Calls under way, by the signal that cuts them all off: one listener for each signal, however many calls. */
const underWay = new WeakMap<AbortSignal, Set<(reason: unknown) => void>>();

function callsWithin(outer: AbortSignal): Set<(reason: unknown) => void> {
  let calls = underWay.get(outer);
  if (calls === undefined) {
    const all = new Set<(reason: unknown) => void>();
    outer.addEventListener(
      "abort",
      () => {
        for (const cut of all) cut(outer.reason);
      },
      { once: true },
    );
    underWay.set(outer, all);
    calls = all;
  }
  return calls;
}
