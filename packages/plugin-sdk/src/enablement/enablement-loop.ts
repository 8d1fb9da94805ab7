import type { EnablementAnswer, EnablementChange } from "@plugboard/contract";
import { type Clock, type Component, type Logger, SparseLog } from "@plugboard/runtime";
import type { z } from "zod";
import type { PluginDefinition } from "../define-plugin.ts";
import { type RetryLimits, retryDelayMs } from "../delivery/retry-schedule.ts";
import { type ContextParts, contextOf } from "../handlers/handler-context.ts";
import { withinDeadline } from "../handlers/with-deadline.ts";
import type { TeamSettings } from "../settings/team-settings.ts";
import type { EnablementStore, HeldChange } from "./enablement-store.ts";

export interface EnablementLoopParts<Schema extends z.ZodObject> {
  readonly definition: PluginDefinition<Schema>;
  readonly store: EnablementStore;
  readonly settings: Pick<TeamSettings<Schema>, "of">;
  readonly contexts: ContextParts;
  readonly limits: RetryLimits;
  readonly deadlineMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Nothing is begun after it aborts. */
  readonly draining: AbortSignal;
  /** Handlers under way are cut short when it aborts, and handed back. */
  readonly stopping: AbortSignal;
}

const POLL_MS = 1_000;
/** Handlers called at once by one process: of as many teams. */
const AT_ONCE_MAX = 8;
/** Time to record how a handler ended after its deadline, before its change is anybody's. */
const HOLD_MARGIN_MS = 5_000;
/** How often a team without settings is looked at; settings that come make it due at once. */
const SETTINGS_WAIT_MS = 300_000;
const REASON_LENGTH_MAX = 1_000;

/** Whether the plugin wants to know who switches it on or off. */
export function wantsEnablements<Schema extends z.ZodObject>({
  onEnable,
  onDisable,
}: PluginDefinition<Schema>): boolean {
  return onEnable !== undefined || onDisable !== undefined;
}

/**
 * Calls `onEnable` and `onDisable`: what the manager tells of is stored, and one instance takes it from there. At least once per
 * change that is in effect when its turn comes; one at a time per team; again with growing delays when it fails.
 */
export class EnablementLoop<Schema extends z.ZodObject> implements Component {
  readonly name = "enablements";
  readonly #parts: EnablementLoopParts<Schema>;
  readonly #log: SparseLog;
  #work: Promise<void> = Promise.resolve();
  #wake: () => void = () => {};

  constructor(parts: EnablementLoopParts<Schema>) {
    this.#parts = parts;
    this.#log = new SparseLog(parts.logger, parts.clock);
  }

  async start(): Promise<void> {
    this.#work = this.#run();
  }

  /** To be called after `draining` has aborted. */
  async stop(): Promise<void> {
    this.#wake();
    await this.#work;
  }

  async tell(change: EnablementChange): Promise<EnablementAnswer> {
    const answer = await this.#parts.store.tell(change);
    this.#wake();
    return answer;
  }

  /** A team's settings are in force from now on. */
  async wakeTeam(team: string): Promise<void> {
    await this.#parts.store.wake(team);
    this.#wake();
  }

  /** Handles what is due, and what becomes due by that. */
  async runDue(): Promise<void> {
    const { store, deadlineMs, draining } = this.#parts;
    while (!draining.aborted) {
      const changes = await store.take(AT_ONCE_MAX, deadlineMs + HOLD_MARGIN_MS);
      if (changes.length === 0) return;
      await Promise.all(changes.map((change) => this.#handle(change)));
    }
  }

  async #run(): Promise<void> {
    const { draining } = this.#parts;
    while (!draining.aborted) {
      try {
        await this.runDue();
      } catch (error) {
        this.#log.warn(
          { reason: (error as Error).message },
          "teams' enablements are not handled: the database does not answer",
        );
      }
      await this.#pause();
    }
  }

  /** Until something is told, or a while has passed. */
  async #pause(): Promise<void> {
    if (this.#parts.draining.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, POLL_MS);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
  }

  async #handle(change: HeldChange): Promise<void> {
    const { store, settings, definition, stopping, logger } = this.#parts;
    const { team, enabled, version, attempt } = change;
    const current = await settings.of(team);
    if (enabled && current === null && definition.onEnable !== undefined) {
      await store.handBack(change, SETTINGS_WAIT_MS);
      // They may have come between the two.
      if ((await settings.of(team)) !== null) await store.wake(team);
      return;
    }
    if (!(await store.begin(change))) return;
    try {
      await this.#call(change, current);
    } catch (error) {
      if (stopping.aborted) return await store.handBack(change, 0);
      return await this.#failed(change, (error as Error).message.slice(0, REASON_LENGTH_MAX));
    }
    await store.done(change);
    logger.info({ team, enabled, version, attempt }, "a team's enablement is handled");
  }

  async #call({ team, enabled, version, attempt }: HeldChange, settings: z.output<Schema> | null): Promise<void> {
    const { definition, contexts, deadlineMs, stopping } = this.#parts;
    const { onEnable, onDisable } = definition;
    const change = { id: `${definition.metadata.id}.${team}.${version}`, team, attempt };
    await withinDeadline(deadlineMs, stopping, async (cutOff) => {
      if (!enabled) await onDisable?.(change, contextOf(contexts, { team, settings, cutOff }));
      else if (settings !== null) await onEnable?.(change, contextOf(contexts, { team, settings, cutOff }));
    });
  }

  async #failed(change: HeldChange, reason: string): Promise<void> {
    const { store, limits, logger } = this.#parts;
    const { team, enabled, version, attempt, ageMs } = change;
    const fields = { team, enabled, version, attempt, reason };
    if (attempt >= limits.attemptsMax || ageMs >= limits.ageMsMax) {
      logger.error(fields, "a team's enablement is given up");
      return await store.giveUp(change, reason);
    }
    logger.warn(fields, "a team's enablement failed; trying again");
    await store.putOff(change, retryDelayMs(attempt, limits), reason);
  }
}
