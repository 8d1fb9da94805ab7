import { resealResponseSchema } from "@plugboard/contract";
import type { Clock, Logger } from "@plugboard/runtime";
import { unusable } from "../domain/plugin-answer.ts";
import type { PluginAnswer, PluginCalls } from "../domain/ports.ts";
import type { JsonObject } from "../domain/records.ts";
import { replaceSeals, sealsNotTo } from "../domain/sealed-settings.ts";
import type { ResealQueue, ResealTask } from "../domain/work-queues.ts";
import { ClaimLoop } from "./claim-loop.ts";

/** Teams asked about at once. */
const BATCH = 16;
const ANSWER_MS_MAX = 10_000;
/** A claim outlives the call and its settlement, milliseconds. */
const CLAIM_MS = 30_000;
const POLL_MS = 1_000;
/** After an answer that was none, milliseconds; for ever, for only the plugin can seal them anew. */
const RETRY_MS = 5_000;
/** When a plugin says that it has no key to a secret: its team has to enter it again, milliseconds. */
const LOST_MS = 60_000;

/**
 * Has plugins whose key was changed seal teams' secrets to the new one: the manager cannot open them.
 *
 *   waiting ──due──► claimed ──POST /reseal──► stored with its new seals, waits no more
 *      ▲                          ├──► some could not be opened: those that could are stored; again in a minute
 *      └──────────────────────────┴──► no answer, or settings or key changed meanwhile: again later
 */
export class Resealer extends ClaimLoop<ResealTask> {
  readonly #queue: ResealQueue;
  readonly #calls: PluginCalls;
  readonly #logger: Logger;

  constructor(dependencies: { queue: ResealQueue; calls: PluginCalls; clock: Clock; logger: Logger }) {
    super("resealer", dependencies.queue, (task, signal) => this.#reseal(task, signal), {
      ...dependencies,
      batch: BATCH,
      claimMs: CLAIM_MS,
      intervalMs: POLL_MS,
    });
    this.#queue = dependencies.queue;
    this.#calls = dependencies.calls;
    this.#logger = dependencies.logger;
  }

  async #reseal(task: ResealTask, signal: AbortSignal): Promise<void> {
    const { team, plugin, version, settings } = task;
    const key = plugin.publicKey?.kid;
    // A key without an id cannot be told from another by what was sealed to it: its teams enter their secrets again.
    const seals = typeof key === "string" ? sealsNotTo(settings, key) : [];
    if (seals.length === 0) return await this.#queue.settle(task, settings, null);
    const answer = await this.#calls.post(
      { plugin: plugin.id, url: plugin.url, path: "/reseal" },
      { team, key, seals },
      { deadlineMs: ANSWER_MS_MAX, signal },
    );
    const resealed = sealsOf(answer, seals.length);
    if (resealed === null) {
      this.#logger.warn({ plugin: plugin.id, team, version, reason: unusable(answer) }, "secrets not sealed anew");
      return await this.#queue.putOff(task, RETRY_MS);
    }
    const bySeal = new Map(seals.map((seal, index) => [seal, resealed[index] ?? seal]));
    const after = replaceSeals(settings, (seal) => bySeal.get(seal) ?? seal) as JsonObject;
    const lost = resealed.includes(null);
    if (lost)
      this.#logger.warn({ plugin: plugin.id, team, version }, "the plugin has no key to some of the team's secrets");
    await this.#queue.settle(task, after, lost ? LOST_MS : null);
  }
}

function sealsOf(answer: PluginAnswer, count: number): readonly (string | null)[] | null {
  if (answer.kind !== "answered" || answer.status !== 200) return null;
  const read = resealResponseSchema.safeParse(answer.body);
  return read.success && read.data.seals.length === count ? read.data.seals : null;
}
