import { createHmac, randomUUID } from "node:crypto";
import { PLUGIN_VERSION_HEADER } from "@plugboard/contract";
import { type Clock, passedTrace } from "@plugboard/runtime";
import { Webhook } from "standardwebhooks";
import type { ManagerMetrics } from "../domain/manager-metrics.ts";
import type { PluginAnswer, PluginCalls, PluginTarget } from "../domain/ports.ts";
import { isDeeperThan } from "../domain/storable-json.ts";

/** Largest answer taken from a plugin, bytes. */
const ANSWER_BYTES_MAX = 1024 * 1024;
/** Levels of nesting taken: an answer is passed on within another, and what is beyond this nobody could write. */
const ANSWER_DEPTH_MAX = 90;

/** Signed calls to plugins over HTTP. Redirects are not followed: a plugin is called where it is registered. */
export class PluginHttpClient implements PluginCalls {
  readonly #signingKey: string;
  readonly #clock: Clock;
  readonly #metrics: ManagerMetrics;

  constructor(options: { signingKey: string; clock: Clock; metrics: ManagerMetrics }) {
    this.#signingKey = options.signingKey;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
  }

  /** Derived, so that every manager knows it and none has to keep it. */
  webhookSecret(plugin: string): string {
    return `whsec_${createHmac("sha256", this.#signingKey).update(`webhook:${plugin}`).digest("base64")}`;
  }

  async post(
    target: PluginTarget,
    body: unknown,
    options: { readonly deadlineMs: number; readonly signal?: AbortSignal },
  ): Promise<PluginAnswer> {
    const startedAt = this.#clock.monotonic();
    const answer = await this.#post(target, JSON.stringify(body), options);
    const call = target.path.split("/")[1] ?? "";
    const seconds = (this.#clock.monotonic() - startedAt) / 1_000;
    this.#metrics.pluginCallSeconds.observe({ plugin: target.plugin, call, result: answer.kind }, seconds);
    return answer;
  }

  async #post(
    target: PluginTarget,
    payload: string,
    { deadlineMs, signal }: { readonly deadlineMs: number; readonly signal?: AbortSignal },
  ): Promise<PluginAnswer> {
    const deadline = AbortSignal.timeout(deadlineMs);
    try {
      const response = await fetch(`${target.url.replace(/\/+$/, "")}${target.path}`, {
        method: "POST",
        body: payload,
        headers: {
          "content-type": "application/json",
          accept: "application/json",
          ...(target.version === undefined ? {} : { [PLUGIN_VERSION_HEADER]: encodeURIComponent(target.version) }),
          ...passedTrace(),
          ...this.#sign(target, payload),
        },
        redirect: "manual",
        signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
      });
      const text = await readBounded(response);
      if (text === null)
        return { kind: "unreadable", error: `its answer is over the limit of ${ANSWER_BYTES_MAX} bytes` };
      const answer = parsed(text);
      if (isDeeperThan(ANSWER_DEPTH_MAX, answer))
        return { kind: "unreadable", error: `its answer is nested deeper than ${ANSWER_DEPTH_MAX} levels` };
      return { kind: "answered", status: response.status, body: answer };
    } catch (error) {
      if (deadline.aborted) return { kind: "late", error: `no answer within ${deadlineMs} ms` };
      return { kind: "unreachable", error: reasonOf(error) };
    }
  }

  #sign({ plugin }: { readonly plugin: string }, payload: string): Record<string, string> {
    const id = `msg_${randomUUID()}`;
    const now = new Date(this.#clock.now());
    return {
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(now.getTime() / 1_000)),
      "webhook-signature": new Webhook(this.webhookSecret(plugin)).sign(id, now, payload),
    };
  }
}

async function readBounded(response: Response): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the body, so the rest is not fetched.
    if (bytes > ANSWER_BYTES_MAX) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** fetch says only "fetch failed"; its cause says why. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as Error;
  const { code, message: inner } = (cause ?? {}) as { code?: string; message?: string };
  return code ?? (inner || message);
}
