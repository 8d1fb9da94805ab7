import type { AnswerCheck, ReceivedAnswer } from "../answer-check.ts";
import type { FuzzRequest } from "./request-arbitrary.ts";

/** What every secret of a run begins with: no answer and no table may hold it. */
export const SECRET_MARK = "secret-text-of-";
/** Written into requests in place of the two texts below, which name the team and plugin of the request's own path. */
export const OWN_TEXT = "@own-text@";
export const OWN_SECRET = "@own-secret@";

/** How an action is refused whose plugin a PATCH has put into maintenance. */
const IN_MAINTENANCE = 'is in maintenance","next":';

/** Text that only this team's decisions and settings for this plugin hold. */
export function ownText(team: string, plugin: string): string {
  return `text-of-${team}-for-${plugin}.`;
}

/** The request as it is sent: its own text and secret in their places. */
export function withOwnText(request: FuzzRequest): FuzzRequest {
  const [, team, plugin] = /^\/v1\/teams\/([^/?]+)\/plugins\/([^/?]+)/.exec(request.path) ?? [];
  if (request.body === undefined || team === undefined || plugin === undefined) return request;
  const body = request.body
    .replaceAll(OWN_TEXT, () => ownText(team, plugin))
    .replaceAll(OWN_SECRET, () => `${SECRET_MARK}${team}`);
  return { ...request, body };
}

/** Everything about one answer that must not be. */
export function answerFaults(
  { actor, method, path, operationId }: FuzzRequest,
  answer: ReceivedAnswer,
  check: AnswerCheck,
  pairs: readonly { readonly team: string; readonly plugin: string }[],
): string[] {
  const all = `${[...answer.headers].join("\n")}\n${answer.text}`;
  // The plugin of a run always answers, and so do the stores: only a maintenance that a request began excuses a 5xx.
  const excused = operationId === "runAction" && answer.status === 503 && answer.text.includes(IN_MAINTENANCE);
  const failed = (answer.status >= 500 && !excused) || answer.status === 0 ? [`${answer.status}: ${answer.text}`] : [];
  const secret = all.includes(SECRET_MARK) ? ["it holds a secret in clear"] : [];
  const leaked = pairs
    .filter(({ team, plugin }) => all.includes(ownText(team, plugin)) && !maySee(actor, operationId, team, plugin))
    .map(({ team, plugin }) => `it holds text of team ${team} for plugin ${plugin}`);
  const outside = answer.status === 0 ? [] : check.problemsOf(method, path, answer);
  return [...failed, ...secret, ...leaked, ...outside];
}

/** Teams see their own, plugins what is for them; routers, and plugins in a router's place, see what decides routes. */
function maySee(actor: string, operationId: string, team: string, plugin: string): boolean {
  if (["admin", "router", `team:${team}`, `plugin:${plugin}`].includes(actor)) return true;
  return actor.startsWith("plugin:") && operationId === "readRoutes";
}
