import type { ProblemDocument } from "@plugboard/contract";
import type { z } from "zod";
import { CommandFailed, EXIT } from "./exit-code.ts";

/** How long the manager may take, milliseconds; a plugin's action may take ten seconds of it. */
const DEADLINE_MS = 20_000;
/** Pages read of a list: 50,000 items. */
const PAGES_MAX = 100;

export interface Call<T> {
  readonly method: "GET" | "PUT" | "POST" | "DELETE" | "PATCH";
  readonly path: string;
  readonly token?: string;
  readonly body?: unknown;
  readonly answer: z.ZodType<T>;
  readonly deadlineMs?: number;
  /** Statuses that are answers although they are no 2xx. */
  readonly accepted?: readonly number[];
}

/** Calls the manager's HTTP API. */
export class ManagerClient {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** @throws CommandFailed: unreachable, or what the manager's problem document says. */
  async call<T>(call: Call<T>): Promise<T> {
    const { status, text } = await this.#fetch(call);
    const body = asJson(text);
    if ((status < 200 || status > 299) && !call.accepted?.includes(status)) throw refused(call, status, body);
    const read = call.answer.safeParse(body);
    if (read.success) return read.data;
    throw new CommandFailed(
      EXIT.failed,
      `${call.method} ${this.url}${call.path} answered ${status} with something that is no answer of this version of Plugboard's manager`,
    );
  }

  /** Every item of a list, page by page. */
  async list<T>(
    path: string,
    token: string,
    page: z.ZodType<{ readonly items: readonly T[]; readonly next: string | null }>,
  ): Promise<T[]> {
    const items: T[] = [];
    let after = "";
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const answer = await this.call({ method: "GET", path: `${path}?limit=500${after}`, token, answer: page });
      items.push(...answer.items);
      if (answer.next === null) break;
      after = `&after=${encodeURIComponent(answer.next)}`;
    }
    return items;
  }

  async #fetch({ method, path, token, body, deadlineMs = DEADLINE_MS }: Call<unknown>) {
    try {
      const response = await fetch(`${this.url}${path}`, {
        method,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(deadlineMs),
        redirect: "error",
      });
      return { status: response.status, text: await response.text() };
    } catch (error) {
      throw new CommandFailed(EXIT.unreachable, `the manager at ${this.url} does not answer: ${causeOf(error)}`);
    }
  }
}

function causeOf(error: unknown): string {
  const { message, cause } = error as Error & { cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? message;
}

function refused({ method, path }: Call<unknown>, status: number, body: unknown): CommandFailed {
  const problem = body as Partial<ProblemDocument> | null;
  if (typeof problem?.code === "string" && typeof problem.detail === "string")
    return new CommandFailed(EXIT.failed, problem.detail, problem as ProblemDocument);
  const exit = status >= 502 && status <= 504 ? EXIT.unreachable : EXIT.failed;
  return new CommandFailed(exit, `${method} ${path} was answered ${status}, and not by Plugboard's manager`);
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
