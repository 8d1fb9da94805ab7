import { type Clock, type Component, type Logger, SparseLog } from "@plugboard/runtime";
import { ExponentialBackoff, noJitterGenerator } from "cockatiel";
import { type BreakerStore, type OpenBreaker, WHOLE_PLUGIN } from "../store/breaker-store.ts";
import { FailureRun } from "./failure-run.ts";

export interface CircuitBreakersParts {
  readonly store: Pick<BreakerStore, "all" | "open" | "probe" | "unprobe" | "close">;
  readonly limits: BreakerLimits;
  /** How long a probe is waited for: as long as a claim holds. */
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface BreakerLimits {
  /** Different deliveries of a team that fail in a row, in one process, until its breaker opens. */
  readonly teamFailures: number;
  /** Different teams that fail in a row, and nobody's success between, until the plugin's own breaker opens. */
  readonly pluginFailures: number;
  /**
   * How long a breaker is open the first time, milliseconds; twice as long each time in a row. Deliveries under way
   * together fail together: a vendor's hiccup opens a breaker at once, so it is to be open but shortly at first.
   */
  readonly openMs: number;
  readonly openMsMax: number;
}

/** What a team's delivery may do now. */
export type Admission =
  | { readonly kind: "go"; readonly probe: boolean }
  /** Its team is parked: to be looked at again after this time. */
  | { readonly kind: "parked"; readonly waitMs: number };

/** How often what other instances opened or closed is looked up. */
const REFRESH_MS = 1_000;
/** Teams whose failures in a row are counted; the oldest is forgotten, and counts anew. */
const TEAMS_MAX = 10_000;
/** Before who finds a probe under way looks again. */
const PROBE_WAIT_MS = 1_000;

interface Known extends OpenBreaker {
  /** When it is half-open, and when a probe may begin, on the monotonic clock. */
  readonly openUntil: number;
  readonly waitUntil: number;
}

/**
 * Breakers of teams, and of the plugin as a whole, shared by its instances through the table `sdk_breakers`:
 *
 *   closed ──failures in a row──► open ──its time is over──► half-open: one probe, of all instances
 *     ▲                             ▲                            │ failed: open again, for twice as long
 *     └─────────────────────────────┼──────── succeeded ─────────┘
 *
 * A team whose breaker is not closed is parked alone: its deliveries stand in the due-time table, whose turns pass it by.
 * While the plugin's own is not closed, deliveries stay in the topic. A closed breaker costs a look into memory.
 */
export class CircuitBreakers implements Component {
  readonly name = "circuit-breakers";
  readonly #parts: CircuitBreakersParts;
  readonly #log: SparseLog;
  readonly #openMs: readonly number[];
  readonly #runs = new Map<string, FailureRun>();
  readonly #pluginRun: FailureRun;
  readonly #stop = new AbortController();
  #open: ReadonlyMap<string, Known> = new Map();
  #work: Promise<void> = Promise.resolve();

  constructor(parts: CircuitBreakersParts) {
    this.#parts = parts;
    this.#log = new SparseLog(parts.logger, parts.clock);
    this.#openMs = openTimes(parts.limits);
    this.#pluginRun = new FailureRun(parts.limits.pluginFailures);
  }

  async start(): Promise<void> {
    this.#work = this.#refreshing();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }

  /** Those that are not closed, as last looked up; the plugin's own has no team. */
  status(): readonly OpenBreaker[] {
    return [...this.#open.values()];
  }

  /** Whether a team is parked as far as known, so that its new deliveries need not be attempted. */
  parks(team: string): boolean {
    const known = this.#open.get(team);
    return known !== undefined && this.#parts.clock.monotonic() < known.waitUntil;
  }

  /** Whether a delivery of a team may go on without being anybody's probe, as far as known: both breakers are closed. */
  closed(team: string): boolean {
    return this.#open.size === 0 || !(this.#open.has(team) || this.#open.has(WHOLE_PLUGIN));
  }

  /** Asks for one delivery; the one whose team's time is over may be told to go, as the probe. */
  async admit(team: string): Promise<Admission> {
    const known = this.#open.get(team);
    if (known === undefined) return GO;
    const waitMs = known.waitUntil - this.#parts.clock.monotonic();
    if (waitMs > 0) return { kind: "parked", waitMs };
    if (await this.#parts.store.probe(team, this.#parts.leaseMs)) return { kind: "go", probe: true };
    // Closed by another instance, or its probe is under way.
    await this.refresh();
    return this.#open.has(team) ? { kind: "parked", waitMs: PROBE_WAIT_MS } : GO;
  }

  /** A probe ended before its handler was called: somebody else may try. */
  async giveBack(team: string): Promise<void> {
    await this.#parts.store.unprobe(team).catch(() => {});
  }

  /** To be told of every attempt that reached its handler. Waits only when a breaker opens, or one is not closed. */
  async succeeded(team: string): Promise<void> {
    this.#runs.delete(team);
    this.#pluginRun.succeeded();
    if (this.#open.size === 0) return;
    await this.#change(team, (of) => (this.#open.has(of) ? this.#parts.store.close(of) : null));
  }

  /** As {@link succeeded}, of one that is to be tried again. @param reason the handler's. */
  async failed(team: string, deliveryId: string, reason: string): Promise<void> {
    const run = this.#runs.get(team) ?? new FailureRun(this.#parts.limits.teamFailures);
    this.#runs.set(team, run);
    if (this.#runs.size > TEAMS_MAX) {
      const [oldest] = this.#runs.keys();
      if (oldest !== undefined) this.#runs.delete(oldest);
    }
    const full = { [WHOLE_PLUGIN]: this.#pluginRun.failed(team), [team]: run.failed(deliveryId) };
    await this.#change(team, (of) => {
      if (full[of] !== true && !this.#probeFailed(of)) return null;
      this.#log.warn({ team: of, reason }, "a breaker opens: its deliveries wait, and are tried one at a time");
      return this.#parts.store.open(of, this.#openMs, reason);
    });
  }

  /** Looks up what is open now. */
  async refresh(): Promise<void> {
    const now = this.#parts.clock.monotonic();
    const all = await this.#parts.store.all();
    const before = this.#open;
    this.#open = new Map(
      all.map((one) => [one.team, { ...one, openUntil: now + one.openMs, waitUntil: now + one.waitMs }]),
    );
    for (const team of before.keys()) if (!this.#open.has(team)) this.#beginAnew(team);
  }

  /** Closed, here or by another instance: what failed before counts no longer. */
  #beginAnew(team: string): void {
    if (team === WHOLE_PLUGIN) this.#pluginRun.succeeded();
    else this.#runs.delete(team);
  }

  #probeFailed(of: string): boolean {
    const known = this.#open.get(of);
    return known !== undefined && this.#parts.clock.monotonic() >= known.openUntil;
  }

  /** What breakers do must not decide a delivery: a database that is away leaves them as they were. */
  async #change(team: string, change: (of: string) => Promise<void> | null): Promise<void> {
    const changes = [change(team), change(WHOLE_PLUGIN)].filter((one) => one !== null);
    if (changes.length === 0) return;
    try {
      await Promise.all(changes);
      await this.refresh();
    } catch (error) {
      this.#log.warn({ reason: (error as Error).message }, "breakers not changed");
    }
  }

  async #refreshing(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.refresh().catch((error: Error) => {
        if (!signal.aborted) this.#log.warn({ reason: error.message }, "breakers not looked up this time");
      });
      await this.#parts.clock.sleep(REFRESH_MS, signal).catch(() => {});
    }
  }
}

const GO: Admission = { kind: "go", probe: false };

/** How long a breaker is open the first, second, … time in a row; the last stands for all later ones. */
function openTimes({ openMs, openMsMax }: BreakerLimits): number[] {
  const times: number[] = [];
  const factory = new ExponentialBackoff({ generator: noJitterGenerator, initialDelay: openMs, maxDelay: openMsMax });
  for (let backoff = factory.next(); times.at(-1) !== openMsMax; backoff = backoff.next(undefined)) {
    times.push(backoff.duration);
  }
  return times;
}
