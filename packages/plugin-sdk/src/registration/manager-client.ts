import {
  type Heartbeat,
  leaseResponseSchema,
  pluginSettingsPageSchema,
  pluginViewSchema,
  problemDocumentSchema,
  type RegistrationResponse,
  registrationResponseSchema,
} from "@plugboard/contract";
import { z } from "zod";
import type { FullRegistration } from "./registration-body.ts";

/** The manager's refusal or its absence, in words fit for a log. */
export class ManagerError extends Error {
  /** HTTP status; null when nobody answered. */
  readonly status: number | null;
  /** What the manager says is wrong; null when it did not say. */
  readonly problem: z.infer<typeof problemDocumentSchema> | null;
  constructor(
    message: string,
    options: { status: number | null; problem?: z.infer<typeof problemDocumentSchema> | null; cause?: unknown },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ManagerError";
    this.status = options.status;
    this.problem = options.problem ?? null;
  }
}

type Lease = z.infer<typeof leaseResponseSchema>;
const standingSchema = pluginViewSchema.pick({ status: true, version: true });
export type SettingsPage = z.infer<typeof pluginSettingsPageSchema>;

/** Deadline of one call, milliseconds; a heartbeat's is below its interval. */
const CALL_DEADLINE_MS = 10_000;
const HEARTBEAT_DEADLINE_MS = 4_000;
const GOODBYE_DEADLINE_MS = 2_000;
const SETTINGS_PAGE_ITEMS = 200;
/** How much of a refusal is quoted, in characters. */
const QUOTE_LENGTH_MAX = 500;

/** What a plugin asks of the manager, one method per call; none of them retries. */
export class ManagerClient {
  readonly #base: string;
  readonly #token: string;
  readonly #plugin: string;

  constructor(options: { readonly url: string; readonly token: string; readonly plugin: string }) {
    this.#base = options.url.replace(/\/+$/, "");
    this.#token = options.token;
    this.#plugin = options.plugin;
  }

  async register(body: FullRegistration, signal: AbortSignal): Promise<RegistrationResponse> {
    const { enablements, ...rest } = body;
    // A manager of before there were any refuses what it does not know.
    const sent = enablements ? body : rest;
    return registrationResponseSchema.parse(await this.#call("PUT", "", { body: sent, signal }));
  }

  async heartbeat(instance: string, runs: Heartbeat, signal: AbortSignal): Promise<Lease> {
    const options = { body: runs, signal, deadlineMs: HEARTBEAT_DEADLINE_MS };
    return leaseResponseSchema.parse(await this.#call("PUT", `/instances/${instance}`, options));
  }

  /** The version whose registration stands; null when none does. */
  async standingVersion(signal: AbortSignal): Promise<string | null> {
    try {
      const { status, version } = standingSchema.parse(await this.#call("GET", "", { signal }));
      return status === "deregistered" ? null : version;
    } catch (error) {
      if (error instanceof ManagerError && error.status === 404) return null;
      throw error;
    }
  }

  async goodbye(instance: string): Promise<void> {
    await this.#call("DELETE", `/instances/${instance}`, { deadlineMs: GOODBYE_DEADLINE_MS });
  }

  async settingsPage(after: string | null, signal: AbortSignal): Promise<SettingsPage> {
    const query = new URLSearchParams({ limit: String(SETTINGS_PAGE_ITEMS), ...(after === null ? {} : { after }) });
    return pluginSettingsPageSchema.parse(await this.#call("GET", `/settings?${query}`, { signal }));
  }

  async #call(
    method: string,
    path: string,
    options: { body?: unknown; signal?: AbortSignal; deadlineMs?: number },
  ): Promise<unknown> {
    const deadline = AbortSignal.timeout(options.deadlineMs ?? CALL_DEADLINE_MS);
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${this.#base}/v1/plugins/${this.#plugin}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(options.body === undefined ? {} : { "content-type": "application/json" }),
        },
        body: options.body === undefined ? null : JSON.stringify(options.body),
        signal: options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline]),
      });
      text = await response.text();
    } catch (error) {
      const { message, cause } = error as Error;
      const why = cause instanceof Error ? cause.message : message;
      throw new ManagerError(`the manager at ${this.#base} does not answer: ${why}`, { status: null, cause: error });
    }
    if (!response.ok) {
      const quote = text.slice(0, QUOTE_LENGTH_MAX);
      const message = `the manager answered ${response.status} to ${method}: ${quote}`;
      throw new ManagerError(message, { status: response.status, problem: problemOf(text) });
    }
    return text === "" ? undefined : JSON.parse(text);
  }
}

function problemOf(text: string): z.infer<typeof problemDocumentSchema> | null {
  try {
    // What a later manager adds is left out.
    return z.object(problemDocumentSchema.shape).parse(JSON.parse(text));
  } catch {
    return null;
  }
}
