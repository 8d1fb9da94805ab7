import type { Clock } from "@plugboard/runtime";
import { Chance } from "./chance.ts";
import { EventQueue } from "./event-queue.ts";
import type { SimulatedProcess, WorldEvent } from "./simulated-process.ts";

/** 2026-01-01: wall clocks begin here. */
export const WALL_BEGINS_MS = 1_767_225_600_000;
/** Node's own clocks and timers, kept before a process of the world is given others. */
const real = {
  setImmediate: globalThis.setImmediate,
  setTimeout: globalThis.setTimeout,
  setInterval: globalThis.setInterval,
  clearTimeout: globalThis.clearTimeout,
  now: Date.now,
  monotonic: performance.now.bind(performance),
  random: Math.random,
};

/**
 * One thread of events on simulated time. Whatever a process of the world does is done in an event of its own, to the end
 * of all promises that follow from it, before the next event; so a seed decides the order of everything. While an event
 * runs, the global clocks, timers and `Math.random` are those of its process.
 */
export class World {
  readonly chance: Chance;
  /** Milliseconds since the world began. */
  now = 0;
  /** Events that ran. */
  events = 0;
  /** Whose event runs; null for the world's own. */
  current: SimulatedProcess | null = null;
  /** What a process threw that nobody caught: a real one would have ended. */
  readonly crashes: string[] = [];
  /** Called after each event of a process. */
  afterEvent: (process: SimulatedProcess) => void = () => {};
  readonly #queue = new EventQueue();

  constructor(seed: number) {
    this.chance = new Chance(seed);
  }

  /** @param process whose event it is; null for one of the world itself, which must run nothing of a process. */
  at(ms: number, process: SimulatedProcess | null, run: () => void): WorldEvent {
    return this.#queue.push(this.now + Math.max(0, ms), process, run);
  }

  /** Runs until a moment, or until `over` (asked once per simulated 100 ms). */
  async run(untilMs: number, over: () => boolean = () => false): Promise<void> {
    let askAt = this.now + 100;
    for (;;) {
      if (this.now >= askAt) {
        if (over()) return;
        askAt = this.now + 100;
      }
      const event = this.#queue.popUntil(untilMs);
      if (event === undefined) break;
      this.now = Math.max(this.now, event.at);
      if (event.cancelled) continue;
      const { process } = event;
      if (process === null) {
        event.run();
        continue;
      }
      if (!process.alive) continue;
      if (process.frozen) {
        process.held.push(event);
        continue;
      }
      this.events += 1;
      this.current = process;
      try {
        event.run();
      } catch (error) {
        this.crashed(process, error);
      }
      await new Promise((resolve) => real.setImmediate(resolve));
      this.current = null;
      this.afterEvent(process);
    }
    this.now = Math.max(this.now, untilMs);
  }

  /** It threw what nobody caught: that ends a real one. */
  crashed(process: SimulatedProcess, error: unknown): void {
    this.crashes.push(`${process.name} at ${this.now.toFixed(1)}: ${(error as Error).stack ?? String(error)}`);
    this.kill(process);
  }

  /** Nothing of it runs any more. */
  kill(process: SimulatedProcess): void {
    process.alive = false;
    process.held.length = 0;
  }

  /** @param suspended with its machine: its monotonic clock stops, and its timers with it. */
  freeze(process: SimulatedProcess, ms: number, suspended: boolean): void {
    if (process.frozen || !process.alive) return;
    process.frozen = true;
    this.at(ms, null, () => {
      process.frozen = false;
      if (suspended) {
        process.suspendedMs += ms;
        this.#queue.delay(process, ms);
      }
      for (const held of process.held.splice(0)) {
        const late = suspended && held.timer ? ms : 0;
        // What was due is done at once, in its order.
        this.#queue.requeue(held, Math.max(this.now, held.at + late));
      }
    });
  }

  wallOf(process: SimulatedProcess): number {
    return Math.floor(WALL_BEGINS_MS + this.now + process.wallOffsetMs);
  }

  monotonicOf(process: SimulatedProcess): number {
    return this.now - process.suspendedMs;
  }

  timer(process: SimulatedProcess, ms: number, run: () => void): WorldEvent {
    const event = this.at(ms, process, run);
    event.timer = true;
    return event;
  }

  /** The clock port of a process. */
  clockOf(process: SimulatedProcess): Clock {
    return {
      now: () => this.wallOf(process),
      monotonic: () => this.monotonicOf(process),
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          if (signal?.aborted) return reject(signal.reason);
          const abort = () => {
            event.cancelled = true;
            reject(signal?.reason);
          };
          const event = this.timer(process, Math.max(1, ms), () => {
            signal?.removeEventListener("abort", abort);
            resolve();
          });
          signal?.addEventListener("abort", abort, { once: true });
        }),
    };
  }
}

/** What `setTimeout` gives to a process of the world. */
class SimulatedTimer {
  readonly #begin: () => WorldEvent;
  #event: WorldEvent;

  constructor(begin: () => WorldEvent) {
    this.#begin = begin;
    this.#event = begin();
  }

  refresh(): this {
    this.clear();
    this.#event = this.#begin();
    return this;
  }

  clear(): void {
    this.#event.cancelled = true;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}

let world: World | undefined;

/** The world that runs. @throws when there is none. */
export function theWorld(): World {
  if (world === undefined) throw new Error("no world runs");
  return world;
}

/** Gives processes of the world its clocks, timers and chance; everything else keeps Node's. */
export function useWorld(next: World): void {
  if (world === undefined) replaceGlobals();
  world = next;
}

function replaceGlobals(): void {
  const whose = () => world?.current ?? null;
  const timers = {
    setTimeout: (run: (...given: unknown[]) => void, ms = 1, ...given: unknown[]) => {
      const process = whose();
      if (process === null) return real.setTimeout(run, ms, ...given);
      return new SimulatedTimer(() => theWorld().timer(process, Math.max(1, ms), () => run(...given)));
    },
    setInterval: (run: (...given: unknown[]) => void, ms = 1, ...given: unknown[]) => {
      const process = whose();
      if (process === null) return real.setInterval(run, ms, ...given);
      const timer: SimulatedTimer = new SimulatedTimer(() =>
        theWorld().timer(process, Math.max(1, ms), () => {
          timer.refresh();
          run(...given);
        }),
      );
      return timer;
    },
    clearTimeout: (timer: unknown) => {
      if (timer instanceof SimulatedTimer) timer.clear();
      else real.clearTimeout(timer as NodeJS.Timeout);
    },
  };
  Object.assign(globalThis, timers, { clearInterval: timers.clearTimeout });
  Date.now = () => {
    const process = whose();
    return process === null ? real.now() : theWorld().wallOf(process);
  };
  performance.now = () => {
    const process = whose();
    return process === null ? real.monotonic() : theWorld().monotonicOf(process);
  };
  Math.random = () => (whose() === null ? real.random() : theWorld().chance.float());
  process.on("unhandledRejection", (reason) => {
    const dead = whose();
    if (dead === null) throw reason;
    theWorld().crashed(dead, reason);
  });
}
