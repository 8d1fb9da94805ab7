import { LEASE_SECONDS, type RegistrationResponse } from "@plugboard/contract";
import { type Clock, type Component, type Logger, SparseLog } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, retry } from "cockatiel";
import { type ManagerClient, ManagerError } from "./manager-client.ts";
import type { FullRegistration } from "./registration-body.ts";

export interface RegistrarParts {
  readonly manager: ManagerClient;
  readonly body: () => FullRegistration;
  readonly instance: string;
  /** The plugin's own. */
  readonly version: string;
  /** Ids of the keys that it opens secrets with. */
  readonly keys: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called after every registration, so also when the manager had forgotten the plugin. */
  readonly onRegistered: (answer: RegistrationResponse, signal: AbortSignal) => void;
  /** A third of the lease that the manager gives, unless set. */
  readonly heartbeatMs?: number;
}

const RETRY_DELAY_MS_MAX = 10_000;
/** Beats in a row that say that nobody of the registered version lives: more than a lease, for Redis may have forgotten them. */
const ALONE_BEATS = 4;

/**
 * Keeps the plugin known to the manager.
 *
 *   registering ──answer──► registered ──every third of a lease──► heartbeat
 *        ▲                      │ a heartbeat fails: the manager is gone, or knows the plugin no more; or
 *        └──────────────────────┘ another version's registration stands, and no instance of it has lived for a lease's time
 *
 * Of two versions side by side, the registration of that stands which started last. The other one does not put its own in
 * that place again, whatever becomes of the manager, until it is alone: then what was rolled out was rolled back.
 * It never gives up: a plugin may be started before the manager, and outlive it.
 */
export class Registrar implements Component {
  readonly name = "registrar";
  /** Why the plugin is not registered at this moment; null when it is. */
  problem: string | null = "not registered yet";
  /** Whether it was registered at least once. */
  registered = false;
  /**
   * Resolves once deliveries may be taken: registered, or not for want of a manager. A version whose settings schema is
   * refused takes none: the settings that teams have would not fit it.
   */
  readonly admitted: Promise<void>;
  readonly #admit: () => void;
  readonly #parts: RegistrarParts;
  readonly #stop = new AbortController();
  #leaseSeconds = LEASE_SECONDS;
  #work: Promise<void> = Promise.resolve();

  constructor(parts: RegistrarParts) {
    this.#parts = parts;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.admitted = promise;
    this.#admit = resolve;
  }

  /** Returns at once: registering goes on beside everything else. */
  async start(): Promise<void> {
    this.#work = this.#run(this.#stop.signal);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error("stopping"));
    await this.#work;
    if (!this.registered) return;
    try {
      await this.#parts.manager.goodbye(this.#parts.instance);
    } catch (error) {
      this.#parts.logger.info({ reason: (error as Error).message }, "goodbye not heard; the lease will run out");
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    try {
      let takesOver = true;
      while (!signal.aborted) {
        await this.#register(takesOver, signal);
        takesOver = await this.#beat(signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** @param takesOver also from another version. */
  async #register(takesOver: boolean, signal: AbortSignal): Promise<void> {
    const log = new SparseLog(this.#parts.logger, this.#parts.clock);
    const policy = retry(handleAll, {
      backoff: new ExponentialBackoff({ initialDelay: 250, maxDelay: RETRY_DELAY_MS_MAX }),
    });
    policy.onFailure(({ reason }) => {
      const error = "error" in reason ? (reason.error as Error) : new Error("not registered");
      this.problem = error.message;
      const refusal = schemaRefusal(error);
      if (refusal === null) this.#admit();
      if (signal.aborted) return;
      if (refusal === null) log.warn({ reason: this.problem }, "not registered; trying again");
      else
        log.warn(
          refusal,
          "teams' settings do not fit this version's schema: the version before goes on, this one waits",
        );
    });
    await policy.execute(async () => {
      signal.throwIfAborted();
      const { manager, version, instance, logger } = this.#parts;
      const standing = takesOver ? null : await manager.standingVersion(signal);
      if (standing !== null && standing !== version) {
        logger.info({ version, standing }, "the registration of another version stands");
        return;
      }
      const answer = await manager.register(this.#parts.body(), signal);
      this.#leaseSeconds = answer.leaseSeconds;
      this.#parts.onRegistered(answer, signal);
      logger.info({ instance, version }, "registered");
      if (answer.pendingApproval.length > 0)
        logger.warn({ pendingApproval: answer.pendingApproval }, "changes wait for an admin's approval");
    }, signal);
    signal.throwIfAborted();
    this.problem = null;
    this.registered = true;
    this.#admit();
  }

  /** Beats until a beat fails, or this version takes the place of one that is gone. @returns whether it does. */
  async #beat(signal: AbortSignal): Promise<boolean> {
    const { manager, instance, version, keys, logger } = this.#parts;
    for (let alone = 0; ; ) {
      try {
        const { standing } = await manager.heartbeat(instance, { version, keys: [...keys] }, signal);
        alone = standing === undefined || standing.version === version || standing.alive ? 0 : alone + 1;
        if (alone > ALONE_BEATS) {
          logger.warn(
            { version, standing: standing?.version },
            "no instance of the registered version lives: this one registers",
          );
          return true;
        }
      } catch (error) {
        signal.throwIfAborted();
        this.problem = (error as Error).message;
        const status = error instanceof ManagerError ? error.status : null;
        logger.info({ status, reason: this.problem }, "heartbeat failed; registering again");
        return false;
      }
      await this.#parts.clock.sleep(this.#parts.heartbeatMs ?? (this.#leaseSeconds * 1_000) / 3, signal);
    }
  }
}

/** Why the settings schema is refused, for the log: the teams by number and name, never their settings; null for all else. */
function schemaRefusal(error: Error): Record<string, unknown> | null {
  const problem = error instanceof ManagerError ? error.problem : null;
  if (problem?.code !== "settings-invalidated") return null;
  const { code, detail, teams, problems = [] } = problem;
  return {
    code,
    reason: detail,
    teams: teams?.named,
    problems: problems.map(({ path, message }) => `${path} ${message}`),
  };
}

/** The component, started once the registrar lets deliveries in. */
export function afterAdmission(registrar: Pick<Registrar, "admitted">, component: Component): Component {
  let stopped = false;
  return {
    name: component.name,
    start: async () => {
      registrar.admitted.then(() => (stopped ? undefined : component.start?.())).catch(() => {});
    },
    stop: async () => {
      stopped = true;
      await component.stop?.();
    },
  };
}
