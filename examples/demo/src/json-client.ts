/** Longest any call of the demo waits for an answer, milliseconds. */
const CALL_DEADLINE_MS = 30_000;

/** How much of a refusal is shown: a problem document may list a thousand problems. */
const DETAIL_CHARS_MAX = 700;

/** An answer that was not 2xx; `status` 0 when there was none. */
export class CallFailed extends Error {
  readonly status: number;
  constructor(what: string, status: number, detail: string) {
    super(`${what}: ${status === 0 ? "no answer" : status} ${detail}`);
    this.name = "CallFailed";
    this.status = status;
  }
}

/** Calls a JSON API. @throws CallFailed with the problem document's text. */
export async function callJson<T>(
  method: string,
  url: string,
  options: { readonly token?: string; readonly body?: unknown; readonly headers?: Record<string, string> } = {},
): Promise<T> {
  const what = `${method} ${new URL(url).pathname}`;
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      headers: {
        ...(options.body === undefined ? {} : { "content-type": "application/json" }),
        ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      signal: AbortSignal.timeout(CALL_DEADLINE_MS),
    });
    text = await response.text();
  } catch (error) {
    throw new CallFailed(what, 0, causeOf(error));
  }
  if (!response.ok) throw new CallFailed(what, response.status, text.slice(0, DETAIL_CHARS_MAX));
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

function causeOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}
