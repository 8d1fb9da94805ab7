import type { Logger } from "./logger.ts";

/** A part of a process that is started and stopped. Stop must be harmless when start has failed half-way. */
export interface Component {
  readonly name: string;
  /** With it a phase of the start begins, which those behind it belong to; see {@link LifecycleOptions.phaseDeadlineMs}. */
  readonly phase?: string;
  start?(): Promise<void>;
  stop?(): Promise<void>;
  /** Rejects when it finds, after its start, that the process must not go on; handled by itself as well. */
  readonly broken?: Promise<never>;
}

/** A component's `broken`, and what rejects it. Handled already: whoever runs the process looks at it; in a test nobody may. */
export function breakable(): { readonly broken: Promise<never>; readonly fail: (error: unknown) => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  return { broken: promise, fail: reject };
}

export interface LifecycleOptions {
  readonly logger: Logger;
  /** Longest a component may take to start, milliseconds. */
  readonly startDeadlineMs?: number;
  /** Longest the whole drain may take, milliseconds; then the process leaves with status 1. */
  readonly stopDeadlineMs?: number;
  /** Longest all components of one phase together may take to start, milliseconds. */
  readonly phaseDeadlineMs?: number;
  /** Told of each phase that begins: the components', then `running` once all have started, then `on-stop`. */
  readonly onPhase?: (phase: string) => void;
}

/**
 * Starts components in order and stops them in reverse.
 *
 *   new ──start()──► starting ──► running ──stop()──► stopping ──► stopped
 *                       └── a component fails ──────────┘ (what had started is stopped, the error is thrown)
 */
export class Lifecycle {
  state: "new" | "starting" | "running" | "stopping" | "stopped" = "new";
  readonly #components: readonly Component[];
  readonly #logger: Logger;
  readonly #startDeadlineMs: number;
  readonly #stopDeadlineMs: number;
  readonly #phaseDeadlineMs: number;
  readonly #onPhase: (phase: string) => void;
  #started: Component[] = [];
  #stopping: Promise<void> | undefined;

  constructor(components: readonly Component[], options: LifecycleOptions) {
    this.#components = components;
    this.#logger = options.logger;
    this.#startDeadlineMs = options.startDeadlineMs ?? 60_000;
    this.#stopDeadlineMs = options.stopDeadlineMs ?? 25_000;
    this.#phaseDeadlineMs = options.phaseDeadlineMs ?? Number.POSITIVE_INFINITY;
    this.#onPhase = options.onPhase ?? (() => {});
  }

  /** Rejects when a component must not go on; never resolves. */
  get broken(): Promise<never> {
    return Promise.race(this.#components.flatMap(({ broken }) => broken ?? []));
  }

  async start(): Promise<void> {
    this.state = "starting";
    let phaseEndsAt = performance.now() + this.#phaseDeadlineMs;
    for (const component of this.#components) {
      if (this.#stopping !== undefined) return;
      if (component.phase !== undefined) {
        phaseEndsAt = performance.now() + this.#phaseDeadlineMs;
        this.#onPhase(component.phase);
      }
      this.#started.push(component);
      try {
        const left = Math.max(1, Math.min(this.#startDeadlineMs, phaseEndsAt - performance.now()));
        await withDeadline(component.start?.(), left, `${component.name} did not start`);
      } catch (error) {
        this.#logger.error({ component: component.name, error }, "start failed");
        await this.stop();
        throw error;
      }
    }
    if (this.#stopping !== undefined) return;
    this.state = "running";
    this.#onPhase("running");
  }

  /** Stops what was started, last first. Called twice, the second call waits for the first. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    this.state = "stopping";
    this.#onPhase("on-stop");
    const deadline = performance.now() + this.#stopDeadlineMs;
    for (const component of this.#started.toReversed()) {
      const left = Math.max(1, deadline - performance.now());
      try {
        await withDeadline(component.stop?.(), left, `${component.name} did not stop`);
      } catch (error) {
        this.#logger.error({ component: component.name, error }, "stop failed");
      }
    }
    this.#started = [];
    this.state = "stopped";
  }
}

/**
 * Runs a process: starts it, drains on SIGTERM and SIGINT, and leaves with 0 after a drain, 1 after a failure, also one that
 * a component finds later. The only place that handles signals; `main.ts` calls it.
 */
export async function runProcess(lifecycle: Lifecycle, logger: Logger): Promise<void> {
  const leave = (signal: NodeJS.Signals) => {
    logger.info({ signal }, "draining");
    lifecycle.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once("SIGTERM", leave);
  process.once("SIGINT", leave);
  lifecycle.broken.catch((error: unknown) => {
    logger.fatal({ error }, "the process cannot go on");
    lifecycle.stop().finally(() => process.exit(1));
  });
  try {
    await lifecycle.start();
  } catch {
    process.exit(1);
  }
}

/** Rejects with `message` when `work` takes longer than `ms`. The work itself goes on. */
export async function withDeadline<T>(
  work: Promise<T> | undefined,
  ms: number,
  message: string,
): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${message} within ${Math.round(ms)} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
