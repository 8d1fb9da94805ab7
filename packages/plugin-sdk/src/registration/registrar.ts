import { LEASE_SECONDS, type RegistrationResponse } from "@plugboard/contract";
import { type Clock, type Component, type Logger, SparseLog } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, retry } from "cockatiel";
import { type ManagerClient, ManagerError } from "./manager-client.ts";
import type { FullRegistration } from "./registration-body.ts";

export interface RegistrarParts {
  readonly manager: ManagerClient;
  readonly body: () => FullRegistration;
  readonly instance: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called after every registration, so also when the manager had forgotten the plugin. */
  readonly onRegistered: (answer: RegistrationResponse, signal: AbortSignal) => void;
  readonly heartbeatMs?: number;
}

const HEARTBEAT_MS = (LEASE_SECONDS * 1_000) / 3;
const RETRY_DELAY_MS_MAX = 10_000;

/**
 * Keeps the plugin known to the manager.
 *
 *   registering ──answer──► registered ──every 5 s──► heartbeat
 *        ▲                      │ a heartbeat fails: the manager is gone, or knows the plugin no more
 *        └──────────────────────┘ (registering again is harmless, and brings a new webhook secret along)
 *
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
      while (!signal.aborted) {
        await this.#register(signal);
        await this.#beat(signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #register(signal: AbortSignal): Promise<void> {
    const log = new SparseLog(this.#parts.logger, this.#parts.clock);
    const policy = retry(handleAll, {
      backoff: new ExponentialBackoff({ initialDelay: 250, maxDelay: RETRY_DELAY_MS_MAX }),
    });
    policy.onFailure(({ reason }) => {
      const error = "error" in reason ? reason.error : new Error("not registered");
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
      const answer = await this.#parts.manager.register(this.#parts.body(), signal);
      this.#parts.onRegistered(answer, signal);
      if (answer.pendingApproval.length > 0) {
        this.#parts.logger.warn({ pendingApproval: answer.pendingApproval }, "changes wait for an admin's approval");
      }
    }, signal);
    signal.throwIfAborted();
    this.problem = null;
    this.registered = true;
    this.#admit();
    this.#parts.logger.info({ instance: this.#parts.instance }, "registered");
  }

  /** Beats until a beat fails. */
  async #beat(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.#parts.manager.heartbeat(this.#parts.instance, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.problem = (error as Error).message;
        const status = error instanceof ManagerError ? error.status : null;
        this.#parts.logger.info({ status, reason: this.problem }, "heartbeat failed; registering again");
        return;
      }
      await this.#parts.clock.sleep(this.#parts.heartbeatMs ?? HEARTBEAT_MS, signal);
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
