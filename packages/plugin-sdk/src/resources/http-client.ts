import { Failure } from "@plugboard/contract";
import { carryTrace, env, setting } from "@plugboard/runtime";
import { BulkheadRejectedError, bulkhead } from "cockatiel";
import { type Resource, resource } from "./resource.ts";

/** A vendor's HTTP API, with a bound on how long a call takes and how many are under way. */
export interface HttpClient {
  /** Without a slash at its end. */
  readonly url: string;
  /**
   * Calls a path below the base URL. Redirects are not followed, for the token is for this address only; read the body, or
   * cancel it.
   * @param path begins with "/".
   * @throws Failure `unavailable` when too many calls wait; what `fetch` throws when there is no answer in time.
   */
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

export interface HttpClientOptions<Critical extends boolean> {
  readonly critical?: Critical;
  /** A path that answers 2xx while the vendor is well, asked every few seconds; without it the vendor counts as there. */
  readonly checkPath?: string;
}

/** Calls that wait for a place, per place: beyond that a handler had better be retried. */
const WAITING_PER_CALL_MAX = 10;

/**
 * An HTTP API: `{SERVICE}_{PREFIX}_URL`, `…_TOKEN` (sent as bearer token unless a call has an `authorization` of its own),
 * `…_DEADLINE_MS`, `…_CALLS_MAX`.
 */
export function httpClient<const Critical extends boolean = true>(
  prefix: string,
  options: HttpClientOptions<Critical> = {},
): Resource<HttpClient, NoInfer<Critical>> {
  const { checkPath, ...rest } = options;
  return resource({
    prefix,
    ...rest,
    reopen: false,
    settings: {
      URL: setting(env.url("http", "https"), "Base URL of this API."),
      TOKEN: setting(env.token().optional(), "Bearer token sent to it.", { secret: true }),
      DEADLINE_MS: setting(env.integer(1, 300_000).default(10_000), "Longest wait for an answer, milliseconds."),
      CALLS_MAX: setting(env.integer(1, 1_000).default(16), "Calls to it under way at once, of one process."),
    },
    open: ({ URL: base, TOKEN: token, DEADLINE_MS: deadlineMs, CALLS_MAX: callsMax }): HttpClient => {
      const url = base.replace(/\/+$/, "");
      const places = bulkhead(callsMax, callsMax * WAITING_PER_CALL_MAX);
      const call = async (path: string, init: RequestInit = {}) => {
        const headers = new Headers(init.headers);
        if (token !== undefined && !headers.has("authorization")) headers.set("authorization", `Bearer ${token}`);
        carryTrace(headers);
        const signals = [AbortSignal.timeout(deadlineMs), init.signal ?? []].flat();
        return await fetch(`${url}${path}`, { redirect: "manual", ...init, headers, signal: AbortSignal.any(signals) });
      };
      return {
        url,
        fetch: async (path, init) => {
          try {
            return await places.execute(() => call(path, init), init?.signal ?? undefined);
          } catch (error) {
            if (!(error instanceof BulkheadRejectedError)) throw error;
            throw new Failure("unavailable", `too many calls to ${url} wait for an answer`);
          }
        },
      };
    },
    ...(checkPath === undefined
      ? {}
      : {
          check: async (client: HttpClient, { signal }: { readonly signal: AbortSignal }) => {
            const answer = await client.fetch(checkPath, { signal });
            await answer.body?.cancel();
            if (!answer.ok) throw new Error(`${checkPath} answered ${answer.status}`);
          },
        }),
  });
}
