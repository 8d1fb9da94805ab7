import type { ProblemItem } from "./manager-api.ts";

/**
 * Every operating failure this system reports, by its stable code. Codes are never reused. docs/errors.md is generated
 * from this table. `next` says what the reader of the error should do.
 */
export const FAILURES = {
  "invalid-input": {
    status: 400,
    title: "The request is not valid",
    next: "Correct every problem listed and send it again.",
  },
  "invalid-json": {
    status: 400,
    title: "The body is not JSON",
    next: "Send a JSON body with content-type application/json.",
  },
  unauthenticated: {
    status: 401,
    title: "No valid credential",
    next: "Send Authorization: Bearer with a token from POST /v1/tokens.",
  },
  forbidden: {
    status: 403,
    title: "The credential does not allow this",
    next: "Use a token whose role and subject fit the path.",
  },
  "not-found": { status: 404, title: "There is no such thing", next: "Check the path and the ids in it." },
  "method-not-allowed": {
    status: 405,
    title: "The path exists, but not for this method",
    next: "Use a method named in the Allow header.",
  },
  "not-enabled": {
    status: 409,
    title: "The plugin is not enabled for this team",
    next: 'Enable it first: PUT …/plugins/{plugin} with {"enabled":true}.',
  },
  "not-configured": {
    status: 409,
    title: "The team has no settings in force at this plugin",
    next: "Send them: PUT …/plugins/{plugin}/config, and wait until their state is applied.",
  },
  conflict: {
    status: 409,
    title: "Somebody else changed this at the same time",
    next: "Read it again and repeat the change.",
  },
  "settings-invalidated": {
    status: 409,
    title: "Teams have settings that do not fit the new schema",
    next: "Let the schema take them too (optional fields, defaults), or see docs/write-a-plugin.md for how an admin registers it all the same.",
  },
  "key-not-held": {
    status: 409,
    title: "Not every instance of the plugin holds the new key",
    next: "Restart those named with it in PLUGIN_PRIVATE_KEY, then do this again.",
  },
  deregistered: { status: 409, title: "The plugin is deregistered", next: "Register it again first." },
  "too-large": { status: 413, title: "The body is too large", next: "Send less than the limit named in detail." },
  "headers-too-large": {
    status: 431,
    title: "The request's headers are too large",
    next: "Send less than 16 KiB of path and headers.",
  },
  "request-timeout": {
    status: 408,
    title: "The request did not arrive in time",
    next: "Send it again, as a whole.",
  },
  "unsupported-media-type": { status: 415, title: "The content type is not supported", next: "Send application/json." },
  "invalid-settings": {
    status: 422,
    title: "The settings do not fit the plugin's schema",
    next: "Correct every problem listed.",
  },
  "invalid-action-input": {
    status: 422,
    title: "The input does not fit the action's schema",
    next: "Correct every problem listed and send it again.",
  },
  "invalid-filter": {
    status: 422,
    title: "The filter is not a valid expression",
    next: "Correct it at the place named; see docs/filters-and-rules.md.",
  },
  "not-accepted": {
    status: 422,
    title: "A plugin did not accept the response",
    next: "Correct what the results say and submit it again.",
  },
  "rate-limited": { status: 429, title: "Too many attempts", next: "Wait as long as Retry-After says." },
  "plugin-failed": {
    status: 502,
    title: "The plugin answered with an error",
    next: "See detail; the plugin's operator has its log.",
  },
  "plugin-down": { status: 503, title: "The plugin cannot be reached", next: "Try again when its status is up." },
  unavailable: {
    status: 503,
    title: "Something this needs is not available",
    next: "Try again; /readyz names what is missing.",
  },
  "plugin-late": {
    status: 504,
    title: "The plugin did not answer in time",
    next: "Try again; an action may have had its effect.",
  },
  internal: { status: 500, title: "An error of ours", next: "Report it with the request id." },
  "startup-settings": {
    status: 500,
    title: "The process's settings are not valid",
    next: "Correct every variable listed; see docs/configuration.md.",
  },
  "unsafe-settings": {
    status: 500,
    title: "Kafka or Redis is set so that data would be lost",
    next: "Correct every setting listed, or set PLUGBOARD_ALLOW_UNSAFE=true to run all the same.",
  },
  "startup-resource": {
    status: 500,
    title: "Something the process needs did not answer at start",
    next: "Start what is named and try again.",
  },
  "signature-invalid": {
    status: 401,
    title: "The call is not signed by the manager",
    next: "Check the plugin's webhook secret and the clocks.",
  },
  "produce-incomplete": {
    status: 500,
    title: "Kafka did not acknowledge a record",
    next: "It is sent again; look at the brokers if it goes on.",
  },
} as const satisfies Record<string, { status: number; title: string; next: string }>;

export type FailureCode = keyof typeof FAILURES;

/** Teams that a failure concerns: how many, and the first of them by id. */
export interface ConcernedTeams {
  readonly count: number;
  readonly named: readonly string[];
}

/** An operating failure. Programmer errors are plain Errors and crash the process. */
export class Failure extends Error {
  readonly code: FailureCode;
  readonly problems: readonly ProblemItem[];
  readonly teams: ConcernedTeams | null;

  /**
   * @param detail what is wrong in this case, for people; never holds secrets.
   * @param options.problems every problem found, with its place.
   * @param options.teams the teams it concerns, where it is about several.
   */
  constructor(
    code: FailureCode,
    detail: string,
    options: { problems?: readonly ProblemItem[]; teams?: ConcernedTeams; cause?: unknown } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Failure";
    this.code = code;
    this.problems = options.problems ?? [];
    this.teams = options.teams ?? null;
  }

  get status(): number {
    return FAILURES[this.code].status;
  }
}

/** RFC 9457 problem document, `application/problem+json`. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: FailureCode;
  readonly detail: string;
  readonly next: string;
  readonly instance?: string;
  readonly problems?: readonly ProblemItem[];
  readonly teams?: ConcernedTeams;
}

/** The document a Failure is answered with. `requestId` becomes `instance`. */
export function problemDocument(failure: Failure, requestId?: string): ProblemDocument {
  const { status, title, next } = FAILURES[failure.code];
  return {
    type: `urn:plugboard:error:${failure.code}`,
    title,
    status,
    code: failure.code,
    detail: failure.message,
    next,
    ...(requestId === undefined ? {} : { instance: `urn:request:${requestId}` }),
    ...(failure.problems.length === 0 ? {} : { problems: failure.problems }),
    ...(failure.teams === null ? {} : { teams: failure.teams }),
  };
}
