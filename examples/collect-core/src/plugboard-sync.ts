import {
  Failure,
  type FlatEvent,
  type ProcessResponse,
  problemDocument,
  processResponseSchema,
} from "@plugboard/contract";
import { BrokenCircuitError, ConsecutiveBreaker, circuitBreaker, handleAll } from "cockatiel";
import type { Request, RequestHandler, Response } from "express";
import { Agent, request } from "undici";

/** What the sync path said; `unavailable` when the manager gave no answer in time. */
export type SyncVerdict =
  | ({ readonly status: "processed" } & ProcessResponse)
  | { readonly status: "unavailable"; readonly reason: string };

export interface PlugboardSyncOptions {
  readonly managerUrl: string;
  /** A token of role core. */
  readonly token: string;
  /** Longest a submission waits, milliseconds. */
  readonly deadlineMs: number;
  /** `open`: a submission is taken while the manager is away, and its answer says so. `closed`: it is refused with 503. */
  readonly whenDown: "open" | "closed";
  /** Told of every call: for metrics and logs. */
  readonly observe?: (verdict: SyncVerdict, seconds: number) => void;
}

/** Connections to the manager; calls beyond it wait within their deadline. */
const CONNECTIONS_MAX = 100;
/** Largest answer read, bytes. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
/** After so many failures in a row the manager is left alone for a second, and submissions do not wait for it. */
const FAILURES_IN_A_ROW_MAX = 5;
const LEAVE_ALONE_MS = 1_000;

/**
 * Plugboard inside a submit, in one line: `app.post("/submit", plugboard.sync(eventOf), store)`.
 *
 *   accepted          `store` runs; its JSON answer gets `plugboard: {status, results}` appended
 *   not accepted      422 with the results; `store` does not run
 *   manager is away   as `whenDown` says
 *
 * It knows nothing of this core: express, undici and cockatiel are all it needs.
 */
export class PlugboardSync {
  readonly #options: PlugboardSyncOptions;
  readonly #agent: Agent;
  readonly #breaker = circuitBreaker(handleAll, {
    halfOpenAfter: LEAVE_ALONE_MS,
    breaker: new ConsecutiveBreaker(FAILURES_IN_A_ROW_MAX),
  });

  constructor(options: PlugboardSyncOptions) {
    this.#options = options;
    this.#agent = new Agent({ connections: CONNECTIONS_MAX, maxResponseSize: ANSWER_BYTES_MAX });
  }

  /** @param eventOf the event as the handler is about to store it. */
  sync(eventOf: (request: Request, response: Response) => FlatEvent): RequestHandler {
    return async (request, response, next) => {
      const { verdict, refusal } = await this.decide(eventOf(request, response));
      if (refusal !== null) return refuse(response, refusal, verdict);
      response.locals.plugboard = verdict;
      appendTo(response, verdict);
      next();
    };
  }

  /** For handlers that answer otherwise than in JSON. With a `refusal` nothing may be stored. */
  async decide(event: FlatEvent): Promise<{ readonly verdict: SyncVerdict; readonly refusal: Failure | null }> {
    const verdict = await this.process(event);
    return { verdict, refusal: this.#refusal(verdict) };
  }

  /** Asks the manager; never rejects. */
  async process(event: FlatEvent): Promise<SyncVerdict> {
    const started = performance.now();
    const verdict = await this.#ask(event);
    this.#options.observe?.(verdict, (performance.now() - started) / 1_000);
    return verdict;
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }

  async #ask(event: FlatEvent): Promise<SyncVerdict> {
    try {
      return { status: "processed", ...(await this.#breaker.execute(() => this.#call(event))) };
    } catch (error) {
      return { status: "unavailable", reason: this.#reason(error as Error) };
    }
  }

  #refusal(verdict: SyncVerdict): Failure | null {
    if (verdict.status === "unavailable") {
      if (this.#options.whenDown === "open") return null;
      return new Failure("unavailable", `nothing was stored: ${verdict.reason}`);
    }
    if (verdict.accepted) return null;
    const refusing = verdict.results.filter(({ outcome }) => outcome !== "passed").map(({ plugin }) => plugin);
    return new Failure("not-accepted", `nothing was stored; refused by ${refusing.join(", ") || "a plugin"}`);
  }

  async #call(event: FlatEvent): Promise<ProcessResponse> {
    const { managerUrl, token, deadlineMs } = this.#options;
    const { statusCode, body } = await request(new URL("/v1/process", managerUrl), {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(event),
      dispatcher: this.#agent,
      signal: AbortSignal.timeout(deadlineMs),
    });
    const answer: unknown = await body.json();
    if (statusCode === 200) return processResponseSchema.parse(answer);
    throw new Error(`it answered ${statusCode} ${(answer as { code?: string } | null)?.code ?? ""}`.trimEnd());
  }

  #reason(error: Error): string {
    if (error instanceof BrokenCircuitError) return "the manager has not answered for a while";
    if (error.name === "TimeoutError") return `the manager did not answer within ${this.#options.deadlineMs} ms`;
    if (error.name === "ZodError" || error.name === "SyntaxError") return "the manager's answer could not be read";
    return `the manager did not answer: ${error.message || (error as { code?: string }).code || error.name}`;
  }
}

function refuse(response: Response, refusal: Failure, verdict: SyncVerdict): void {
  const problem = problemDocument(refusal, response.locals.requestId as string | undefined);
  const body = JSON.stringify({ ...problem, plugboard: verdict });
  response.status(refusal.status).type("application/problem+json").send(body);
}

/** The handler answers as it always did; this adds what the plugins said. */
function appendTo(response: Response, verdict: SyncVerdict): void {
  const json = response.json.bind(response);
  response.json = (body: unknown) =>
    json(typeof body === "object" && body !== null && !Array.isArray(body) ? { ...body, plugboard: verdict } : body);
}
