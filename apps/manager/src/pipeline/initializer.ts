import { initializeResponseSchema } from "@plugboard/contract";
import type { Clock, Component, Logger } from "@plugboard/runtime";
import type { ManagerMetrics } from "../domain/manager-metrics.ts";
import { unusable } from "../domain/plugin-answer.ts";
import type { PluginAnswer, PluginCalls } from "../domain/ports.ts";
import { settingsApplied, settingsRefused } from "../domain/settings-state.ts";
import type { InitializeQueue, InitializeResult, InitializeTask } from "../domain/work-queues.ts";
import { PeriodicLoop } from "./periodic-loop.ts";

/** Calls under way at once per instance, over all plugins and per plugin: 16 slow plugins do not hold up a 17th. */
const IN_FLIGHT_MAX = 64;
const IN_FLIGHT_PER_PLUGIN_MAX = 4;
/** How long a plugin may think about a team's settings, milliseconds: its own check gives up after 20 seconds. */
const ANSWER_MS_MAX = 25_000;
/** A claim outlives the call and its settlement; then another instance may take the task, milliseconds. */
const CLAIM_MS = 45_000;
const POLL_MS = 1_000;
/** Waits after the first, second, … attempt without an answer; the last one for ever after, milliseconds. */
const RETRY_DELAYS_MS = [500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000] as const;
/** A tenth of each wait is random, so that a returning plugin is not met by all at once. */
const JITTER = 0.1;

/**
 * Sends teams' settings to their plugins until each has answered.
 *
 *   waiting ──due──► claimed ──call──► applied | refused   (settled: state, routing entry, and the task is gone)
 *      ▲                          └──► no answer: due again later, at once when the plugin registers anew
 *      └── the claimer died: due again when the claim ends
 */
export class Initializer implements Component {
  readonly name = "initializer";
  readonly #queue: InitializeQueue;
  readonly #calls: PluginCalls;
  readonly #onSettled: () => void;
  readonly #metrics: ManagerMetrics;
  readonly #logger: Logger;
  readonly #random: () => number;
  readonly #loop: PeriodicLoop;
  readonly #inFlight = new Map<Promise<void>, string>();
  readonly #stopping = new AbortController();

  constructor(dependencies: {
    queue: InitializeQueue;
    calls: PluginCalls;
    /** Called when a team's routes may have changed. */
    onSettled: () => void;
    clock: Clock;
    metrics: ManagerMetrics;
    logger: Logger;
    random?: () => number;
  }) {
    this.#queue = dependencies.queue;
    this.#calls = dependencies.calls;
    this.#onSettled = dependencies.onSettled;
    this.#metrics = dependencies.metrics;
    this.#logger = dependencies.logger;
    this.#random = dependencies.random ?? Math.random;
    this.#loop = new PeriodicLoop("initializer", () => this.#claim(), {
      intervalMs: POLL_MS,
      clock: dependencies.clock,
      logger: dependencies.logger,
    });
  }

  async start(): Promise<void> {
    await this.#loop.start();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    this.#stopping.abort();
    await Promise.allSettled(this.#inFlight.keys());
  }

  wake(): void {
    this.#loop.wake();
  }

  async #claim(): Promise<void> {
    const total = IN_FLIGHT_MAX - this.#inFlight.size;
    if (total <= 0) return;
    const busy = Map.groupBy(this.#inFlight.values(), (plugin) => plugin);
    const without = [...busy].filter(([, calls]) => calls.length >= IN_FLIGHT_PER_PLUGIN_MAX).map(([plugin]) => plugin);
    const tasks = await this.#queue.claim({ total, perPlugin: IN_FLIGHT_PER_PLUGIN_MAX, without }, CLAIM_MS);
    for (const task of tasks) {
      const work: Promise<void> = this.#send(task).finally(() => {
        this.#inFlight.delete(work);
        this.#loop.wake();
      });
      this.#inFlight.set(work, task.plugin);
    }
  }

  async #send(task: InitializeTask): Promise<void> {
    const { team, plugin, url, pluginVersion, version, settings } = task;
    try {
      const answer = await this.#calls.post(
        { plugin, url, path: "/initialize", version: pluginVersion },
        { team, version, settings },
        { deadlineMs: ANSWER_MS_MAX, signal: this.#stopping.signal },
      );
      const result = this.#resultOf(task, answer);
      const label = result.kind === "answered" ? result.status.state : "retry";
      this.#metrics.initializeResults.inc({ plugin, result: label });
      if (result.kind === "retry")
        this.#logger.warn({ plugin, team, version, attempt: task.attempt, reason: result.error }, "settings not taken");
      await this.#queue.settle(task, result);
      if (result.kind === "answered") this.#onSettled();
    } catch (error) {
      // The claim ends by itself, and the task is sent again: plugins take a version they have as applied.
      this.#logger.warn({ error, plugin, team, version }, "the plugin's answer was not recorded");
    }
  }

  #resultOf(task: InitializeTask, answer: PluginAnswer): InitializeResult {
    if (answer.kind !== "answered" || answer.status !== 200) return this.#again(task, unusable(answer));
    const verdict = initializeResponseSchema.safeParse(answer.body);
    if (!verdict.success) return this.#again(task, "its answer is neither applied nor refused");
    if (verdict.data.version !== task.version)
      return this.#again(task, `it answered for version ${verdict.data.version} instead of ${task.version}`);
    const status = verdict.data.status === "applied" ? settingsApplied() : settingsRefused(verdict.data.reasons);
    return { kind: "answered", status };
  }

  #again({ attempt }: InitializeTask, error: string): InitializeResult {
    const delay = RETRY_DELAYS_MS[Math.min(attempt, RETRY_DELAYS_MS.length) - 1] ?? RETRY_DELAYS_MS[0];
    return { kind: "retry", error, delayMs: Math.round(delay * (1 + JITTER * this.#random())) };
  }
}
