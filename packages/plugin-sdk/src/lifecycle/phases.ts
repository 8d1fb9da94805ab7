import type { Clock, HealthCheck, Logger } from "@plugboard/runtime";
import { Gauge, type Registry } from "prom-client";

/**
 * The phases of a plugin's process, in order.
 *
 *   initialization   settings and definition are checked, everything at once; nothing is connected
 *   pre-start        HTTP answers /healthz and /readyz; resources, database, migrations, Kafka; then `preStart`
 *   on-start         `onStart`; then registration and the consumers of the three lanes begin
 *   running
 *   on-stop          nothing new is begun, what is under way is finished or handed back, offsets, goodbye; then `onStop`,
 *                    resources and database are closed
 */
const PHASES = ["initialization", "pre-start", "on-start", "running", "on-stop"] as const;

export type Phase = (typeof PHASES)[number];

export interface PhasesParts {
  readonly logger: Logger;
  readonly clock: Clock;
}

/** In which phase the process is, and how long each took: to the log, `/readyz` and the metrics. */
export class Phases {
  readonly #parts: PhasesParts;
  readonly #secondsOf = new Map<Phase, number>();
  #current: Phase = "initialization";
  #since: number;

  constructor(parts: PhasesParts) {
    this.#parts = parts;
    this.#since = parts.clock.monotonic();
  }

  get current(): Phase {
    return this.#current;
  }

  /** Seconds in a phase so far; 0 for one that was not reached. */
  secondsOf(phase: Phase): number {
    const running = phase === this.#current ? (this.#parts.clock.monotonic() - this.#since) / 1_000 : 0;
    return (this.#secondsOf.get(phase) ?? 0) + running;
  }

  enter(phase: Phase): void {
    const now = this.#parts.clock.monotonic();
    const before = this.#current;
    const ms = now - this.#since;
    this.#secondsOf.set(before, (this.#secondsOf.get(before) ?? 0) + ms / 1_000);
    this.#current = phase;
    this.#since = now;
    this.#parts.logger.info({ phase, before, beforeMs: Math.round(ms) }, "phase");
  }

  /** Not ready before it runs, nor once it drains. */
  get check(): HealthCheck {
    return {
      name: "phase",
      critical: true,
      problem: () => (this.#current === "running" ? null : `the process is in the phase ${this.#current}`),
      state: () => this.#current,
    };
  }
}

/** @param phases what is shown, when Prometheus asks. */
export function registerPhaseMetrics(registry: Registry, phases: Pick<Phases, "current" | "secondsOf">): void {
  const registers = [registry];
  new Gauge({
    name: "plugin_phase",
    help: "1 for the phase that the process is in, 0 for the others.",
    labelNames: ["phase"],
    registers,
    collect() {
      for (const phase of PHASES) this.set({ phase }, phase === phases.current ? 1 : 0);
    },
  });
  new Gauge({
    name: "plugin_phase_seconds",
    help: "How long the process has been in a phase, or was; 0 for one not reached.",
    labelNames: ["phase"],
    registers,
    collect() {
      for (const phase of PHASES) this.set({ phase }, phases.secondsOf(phase));
    },
  });
}
