import { type RoutesRequest, type RoutesResponse, routesResponseSchema } from "@plugboard/contract";
import { systemClock } from "@plugboard/runtime";
import { bulkhead, ExponentialBackoff, handleWhen, retry, TimeoutStrategy, timeout, wrap } from "cockatiel";
import type { FetchRoutes } from "../domain/ports.ts";

/** Longest wait for one answer, milliseconds. With the second try and its pause: below the staleness bound of 5 s. */
const CALL_DEADLINE_MS = 2_000;
/** Calls at once per process, and calls that wait for one of them: of 1,000 teams each. */
const CALLS_MAX = 4;
const CALLS_WAITING_MAX = 100;
/** All routers notice a dead Redis at the same moment; each spreads its calls over this time, milliseconds. */
const JITTER_MS = 50;

/** An answer that asking again will not change: the token, or a request that the manager does not accept. */
class RefusedByManager extends Error {}

/**
 * L3: `POST /internal/routes` of the manager. One more try after a failure; every call has a deadline.
 * @param options.token of role `router`, or `plugin` (which sees its own routes only).
 */
export function managerRoutes(options: { readonly managerUrl: string; readonly token: string }): FetchRoutes {
  const url = new URL("/internal/routes", options.managerUrl);
  const policy = wrap(
    bulkhead(CALLS_MAX, CALLS_WAITING_MAX),
    retry(
      handleWhen((error) => !(error instanceof RefusedByManager)),
      { maxAttempts: 1, backoff: new ExponentialBackoff({ initialDelay: 50, maxDelay: 200 }) },
    ),
    timeout(CALL_DEADLINE_MS, TimeoutStrategy.Aggressive),
  );
  return async (request, signal) => {
    await systemClock.sleep(Math.random() * JITTER_MS, signal);
    return await policy.execute(async ({ signal: deadline }) => {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${options.token}` },
        body: JSON.stringify(request),
        signal: AbortSignal.any([deadline, signal]),
      });
      if (!response.ok) {
        const text = `the manager answered ${response.status}: ${(await response.text()).slice(0, 500)}`;
        if (response.status === 401 || response.status === 403) {
          throw new RefusedByManager(`${text} (is MANAGER_TOKEN valid, and of role router or plugin?)`);
        }
        throw response.status < 500 && response.status !== 429 ? new RefusedByManager(text) : new Error(text);
      }
      return complete(request, routesResponseSchema.parse(await response.json()));
    }, signal);
  };
}

/** An id that was asked for and is not answered would otherwise be asked for again without end. */
function complete(request: RoutesRequest, answer: RoutesResponse): RoutesResponse {
  const missing = [
    ...(request.teams ?? []).filter((team) => !Object.hasOwn(answer.teams, team)),
    ...(request.plugins ?? []).filter((plugin) => !Object.hasOwn(answer.plugins, plugin)),
  ];
  if (missing.length > 0) throw new Error(`the manager left out ${missing.length} of the ids asked for`);
  return answer;
}
