/** One event as the sink counts it. */
export interface SinkItem {
  readonly id: string;
  readonly team: string;
}

/** A call that the sink did not take. */
export class SinkRefusal extends Error {
  readonly status: number;
  /** How long the sink asks to be left alone, milliseconds. */
  readonly afterMs: number | undefined;

  constructor(status: number, afterMs: number | undefined) {
    super(`the sink answered ${status}`);
    this.status = status;
    this.afterMs = afterMs;
  }
}

/** Where the sink is, for processes that have one. */
export const sinkUrl = (): string | undefined => process.env.BENCH_SINK_URL;

/**
 * Calls the sink as an author calls a vendor: Node's own fetch, which keeps connections. One call, whatever the number of items.
 * @throws SinkRefusal for any answer but 2xx; what fetch throws when there is none.
 */
export async function sendToSink(items: readonly SinkItem[], signal?: AbortSignal): Promise<void> {
  const response = await fetch(`${sinkUrl()}/effects`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(items),
    ...(signal !== undefined && { signal }),
  });
  await response.arrayBuffer();
  if (response.ok) return;
  const after = Number(response.headers.get("retry-after") ?? Number.NaN) * 1_000;
  throw new SinkRefusal(response.status, Number.isNaN(after) ? undefined : after);
}
