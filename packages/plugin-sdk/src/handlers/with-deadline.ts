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

/**
 * Calls a handler with a signal that aborts at its deadline or with `outer`, and does not wait longer than that: a
 * handler that ignores its signal is left behind.
 * @throws DeadlineError at the deadline; `outer`'s reason when that was aborted.
 */
export async function withinDeadline<T>(
  ms: number,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  outer.throwIfAborted();
  const controller = new AbortController();
  let onOuter: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  const cut = new Promise<never>((_, reject) => {
    const abort = (reason: unknown) => {
      // The wait ends first, so that a handler that throws because of the signal does not hide why it was aborted.
      reject(reason);
      controller.abort(reason);
    };
    onOuter = () => abort(outer.reason);
    outer.addEventListener("abort", onOuter, { once: true });
    timer = setTimeout(() => abort(new DeadlineError(ms)), ms);
  });
  try {
    return await Promise.race([cut, started(work, controller.signal)]);
  } finally {
    clearTimeout(timer);
    if (onOuter !== undefined) outer.removeEventListener("abort", onOuter);
  }
}

/** Makes a handler that throws before its first await a rejected promise like any other. */
async function started<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  return await work(signal);
}
