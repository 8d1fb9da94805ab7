import type { Request, RequestHandler, Response } from "express";

/** Something that goes wrong with a request, once. */
export interface Fault {
  /** Answered instead of doing anything: the request has no effect. */
  readonly status?: number;
  /** With `status`: seconds, sent as the header `Retry-After`. */
  readonly retryAfterS?: number;
  /** The request has its effect, then the connection breaks before the answer. */
  readonly loseAnswer?: true;
  /** The request has its effect at once, its answer comes this much later, milliseconds. */
  readonly answerLatencyMs?: number;
  /** Which requests it may hit; unless said, all but those for an access token (`POST /token`). */
  readonly match?: (request: Request) => boolean;
}

/** Most faults that wait at once: a test that plans more has a mistake. */
const FAULTS_MAX = 10_000;

/** What an emulator does wrong, and when: each fault hits one request, in the order planned. */
export class FaultPlan {
  /** Added to every request, milliseconds. */
  latencyMs = 0;
  #waiting: Fault[] = [];

  /** Plans a fault for the next `times` requests that it matches. */
  next(times: number, fault: Fault): void {
    if (this.#waiting.length + times > FAULTS_MAX) throw new Error(`more than ${FAULTS_MAX} faults are planned`);
    for (let i = 0; i < times; i++) this.#waiting.push(fault);
  }

  /** Forgets what is planned. */
  clear(): void {
    this.#waiting = [];
    this.latencyMs = 0;
  }

  /** @param answer writes the vendor's error body for a status. */
  middleware(answer: (response: Response, status: number) => void): RequestHandler {
    return async (request, response, next) => {
      if (this.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, this.latencyMs));
      const index = this.#waiting.findIndex((fault) => fault.match?.(request) ?? request.path !== "/token");
      const fault = index < 0 ? undefined : this.#waiting.splice(index, 1)[0];
      if (fault?.retryAfterS !== undefined) response.setHeader("retry-after", String(fault.retryAfterS));
      if (fault?.status !== undefined) return answer(response, fault.status);
      if (fault?.loseAnswer) {
        response.json = () => {
          request.socket.destroy();
          return response;
        };
      }
      const { answerLatencyMs } = fault ?? {};
      if (answerLatencyMs !== undefined) {
        const json = response.json.bind(response);
        response.json = (body) => {
          const timer = setTimeout(() => json(body), answerLatencyMs);
          request.socket.once("close", () => clearTimeout(timer));
          return response;
        };
      }
      next();
    };
  }
}
