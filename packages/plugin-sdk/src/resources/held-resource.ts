import { Failure } from "@plugboard/contract";
import type { Clock, Logger } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, retry } from "cockatiel";
import { withinDeadline } from "../handlers/with-deadline.ts";
import type { Degradable, Resource } from "./resource.ts";

export interface HeldResourceParts {
  readonly name: string;
  readonly resource: Resource<unknown>;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly timing?: Partial<ResourceTiming>;
}

/** All in milliseconds. */
export interface ResourceTiming {
  /** One attempt to open. */
  readonly openMsMax: number;
  /** First pause between attempts to open; it doubles with each, with jitter. */
  readonly reopenMs: number;
  readonly reopenMsMax: number;
  readonly checkEveryMs: number;
  readonly checkMsMax: number;
  readonly closeMsMax: number;
}

const TIMING: ResourceTiming = {
  openMsMax: 10_000,
  reopenMs: 250,
  reopenMsMax: 30_000,
  checkEveryMs: 5_000,
  checkMsMax: 2_000,
  closeMsMax: 5_000,
};
/** Failed checks in a row, after which what cannot mend itself is closed and opened anew. */
const FAILED_CHECKS_MAX = 3;

/**
 * One resource of a running plugin.
 *
 *   new ──start──► opening ──opened──► available ──check fails──► unavailable ──check passes──► available
 *                     ▲  └─ fails: again, with growing delays          │
 *                     └──────────── three failed checks, `reopen` ─────┘          any ──stop──► closed
 */
export class HeldResource {
  state: "new" | "opening" | "available" | "unavailable" | "closed" = "new";
  /** Why it cannot be used; null while it can. */
  problem: string | null = "not opened yet";
  readonly name: string;
  readonly #parts: HeldResourceParts;
  readonly #timing: ResourceTiming;
  readonly #stop = new AbortController();
  #opened: { readonly value: unknown } | null = null;
  #work: Promise<void> = Promise.resolve();

  constructor(parts: HeldResourceParts) {
    this.#parts = parts;
    this.#timing = { ...TIMING, ...parts.timing };
    this.name = parts.name;
  }

  get critical(): boolean {
    return this.#parts.resource.critical;
  }

  /** What handlers get under its name. @throws Failure `unavailable` for a critical one that is not open. */
  get injected(): unknown {
    return this.critical ? this.#use() : this.#degradable();
  }

  /**
   * A critical one: resolves once it is open; the caller says how long that may take. Another: resolves after the first
   * attempt, whatever came of it. From then on it is kept.
   */
  async start(): Promise<void> {
    this.state = "opening";
    const attempted = Promise.withResolvers<void>();
    const opened = this.#openUntilOpen(attempted.resolve);
    this.#work = opened.then(() => this.#keep()).catch(() => {});
    await (this.critical ? opened : attempted.promise);
  }

  /** Harmless at any time, and twice. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("the plugin stops"));
    await this.#work;
    await this.#close();
    this.state = "closed";
    this.problem = "closed";
  }

  #use(): unknown {
    if (this.#opened === null) throw new Failure("unavailable", `${this.name}: ${this.problem}`);
    return this.#opened.value;
  }

  #degradable(): Degradable<unknown> {
    return {
      available: this.problem === null,
      problem: this.problem,
      use: () => {
        if (this.problem !== null) throw new Failure("unavailable", `${this.name}: ${this.problem}`);
        return this.#use();
      },
    };
  }

  async #openUntilOpen(attempted: () => void): Promise<void> {
    const { reopenMs, reopenMsMax } = this.#timing;
    const policy = retry(handleAll, {
      maxAttempts: Number.MAX_SAFE_INTEGER,
      backoff: new ExponentialBackoff({ initialDelay: reopenMs, maxDelay: reopenMsMax }),
    });
    await policy.execute(() => this.#open().finally(attempted), this.#stop.signal);
    this.#stop.signal.throwIfAborted();
  }

  async #open(): Promise<void> {
    const { resource, settings, logger } = this.#parts;
    const begun: Promise<unknown>[] = [];
    try {
      const value = await withinDeadline(this.#timing.openMsMax, this.#stop.signal, async ({ signal }) => {
        begun.push(resource.open(settings, { logger, signal }));
        return await begun[0];
      });
      this.#opened = { value };
      this.#found(null);
    } catch (error) {
      // One that opens after its time belongs to nobody.
      for (const late of begun) late.then((value) => resource.close?.(value)).catch(() => {});
      this.#stop.signal.throwIfAborted();
      this.#found(messageOf(error));
      throw error;
    }
  }

  /** Looks after it until the plugin stops. */
  async #keep(): Promise<void> {
    const { clock, resource } = this.#parts;
    let failures = 0;
    while (resource.check !== undefined) {
      await clock.sleep(this.#timing.checkEveryMs, this.#stop.signal);
      failures = (await this.#passes()) ? 0 : failures + 1;
      if (!resource.reopen || failures < FAILED_CHECKS_MAX) continue;
      await this.#close();
      this.state = "opening";
      await this.#openUntilOpen(() => {});
      failures = 0;
    }
  }

  async #passes(): Promise<boolean> {
    const { resource, logger } = this.#parts;
    try {
      await withinDeadline(
        this.#timing.checkMsMax,
        this.#stop.signal,
        async ({ signal }) => await resource.check?.(this.#use(), { logger, signal }),
      );
      this.#found(null);
      return true;
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      this.#found(messageOf(error));
      return false;
    }
  }

  async #close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    if (opened === null) return;
    const { resource, name, logger } = this.#parts;
    try {
      const never = new AbortController().signal;
      await withinDeadline(this.#timing.closeMsMax, never, async () => await resource.close?.(opened.value));
    } catch (error) {
      logger.warn({ resource: name, reason: messageOf(error) }, "a resource did not close well");
    }
  }

  /** Takes what was found of it; a change is one line of the log. */
  #found(problem: string | null): void {
    const { name, logger, resource } = this.#parts;
    const changed = (this.problem === null) !== (problem === null) || this.state === "opening";
    this.problem = problem;
    this.state = problem === null ? "available" : this.#opened === null ? "opening" : "unavailable";
    if (!changed) return;
    const { critical } = resource;
    if (problem === null) logger.info({ resource: name, critical }, "resource available");
    else logger.warn({ resource: name, critical, reason: problem }, "resource unavailable; trying again");
  }
}

/** Of several addresses that refuse, Node's error has no message of its own. */
function messageOf(error: unknown): string {
  const { message, code } = error as { readonly message?: string; readonly code?: string };
  return message || code || String(error);
}
