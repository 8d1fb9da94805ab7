import type { Settings } from "./settings.ts";

/** What the address answered, as far as it matters here. */
export interface Answer {
  readonly ok: boolean;
  readonly status: number;
  /** Whether asking again may help: the address is overloaded or broken, not unwilling. */
  readonly later: boolean;
}

/**
 * Posts JSON to a team's address. Redirects are not followed: the token is for this address only.
 * @param idempotencyKey the same whenever the same thing is posted again, so that the other side can tell.
 * @throws when the address cannot be reached, or `signal` aborts.
 */
export async function postJson(
  { url, token }: Settings,
  body: unknown,
  { idempotencyKey, signal }: { readonly idempotencyKey: string; readonly signal: AbortSignal },
): Promise<Answer> {
  const answer = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${token}`,
      "idempotency-key": idempotencyKey,
    },
    body: JSON.stringify(body),
    redirect: "manual",
    signal,
  });
  // Nothing of it is needed; left unread, it would hold the connection.
  await answer.body?.cancel();
  const { ok, status } = answer;
  return { ok, status, later: status >= 500 || status === 429 };
}
