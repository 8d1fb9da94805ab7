import { enablementAnswerSchema } from "@plugboard/contract";
import type { Clock, Logger } from "@plugboard/runtime";
import { unusable } from "../domain/plugin-answer.ts";
import type { PluginCalls } from "../domain/ports.ts";
import type { TellQueue, TellTask } from "../domain/work-queues.ts";
import { ClaimLoop } from "./claim-loop.ts";

/** Teams told of at once. */
const BATCH = 32;
const ANSWER_MS_MAX = 10_000;
/** A claim outlives the call and its settlement, milliseconds. */
const CLAIM_MS = 30_000;
const POLL_MS = 500;
/** Waits after the first, second, … time; the last one for ever after: a team may take days to configure the plugin, milliseconds. */
const AGAIN_MS = [1_000, 2_000, 5_000, 15_000, 60_000, 300_000, 600_000] as const;

/**
 * Tells plugins of teams that switched them on or off, until they have done with it.
 *
 *   waiting ──due──► claimed ──POST /enablement──► done | failed   the plugin knows: told no more
 *      ▲                          └──► working, or no answer: again later
 *      └── the claimer died: due again when the claim ends; a change since then is due at once
 *
 * A plugin that knows a later version than the manager has one of a database that was not restored with the manager's.
 */
export class EnablementTeller extends ClaimLoop<TellTask> {
  readonly #queue: TellQueue;
  readonly #calls: PluginCalls;
  readonly #logger: Logger;

  constructor(dependencies: { queue: TellQueue; calls: PluginCalls; clock: Clock; logger: Logger }) {
    super("enablement-teller", dependencies.queue, (task, signal) => this.#tell(task, signal), {
      ...dependencies,
      batch: BATCH,
      claimMs: CLAIM_MS,
      intervalMs: POLL_MS,
    });
    this.#queue = dependencies.queue;
    this.#calls = dependencies.calls;
    this.#logger = dependencies.logger;
  }

  async #tell(task: TellTask, signal: AbortSignal): Promise<void> {
    const { team, plugin, version, enabled } = task;
    const answer = await this.#calls.post(
      { plugin: plugin.id, url: plugin.url, path: "/enablement", version: plugin.version },
      { team, version, enabled },
      { deadlineMs: ANSWER_MS_MAX, signal },
    );
    const read = enablementAnswerSchema.safeParse(answer.kind === "answered" ? answer.body : undefined);
    if (read.success && read.data.version > version) return await this.#queue.overtake(task, read.data.version);
    const told = read.success && read.data.version === version ? read.data : null;
    if (told === null || told.status === "working") {
      const delayMs = AGAIN_MS[Math.min(task.attempt, AGAIN_MS.length) - 1] ?? AGAIN_MS[0];
      if (told === null)
        this.#logger.warn(
          { plugin: plugin.id, team, version, reason: unusable(answer) },
          "a team's enablement is not known to the plugin",
        );
      return await this.#queue.putOff(task, delayMs);
    }
    if (told.status === "failed")
      this.#logger.warn(
        { plugin: plugin.id, team, version, enabled, reason: told.reason },
        "the plugin gave up on a team's enablement",
      );
    await this.#queue.settle(task);
  }
}
