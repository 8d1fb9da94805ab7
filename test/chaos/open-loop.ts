import { setTimeout as pause } from "node:timers/promises";

const TICK_MS = 25;
const BATCH_MAX = 500;
const RETRY_MS = 250;

/**
 * A load at a steady rate, whether or not it is taken: what is late goes out as soon as it is. Each queue sends one batch after the
 * other, so that what is in one queue stays in its order whatever is sent again.
 */
export abstract class OpenLoop<Due> {
  readonly #perSecond: number;
  readonly #queues: Due[][];
  #stopped = false;
  #abandoned = false;
  #failures = 0;
  #running: Promise<unknown> = Promise.resolve();

  constructor({ perSecond, queues }: { readonly perSecond: number; readonly queues: number }) {
    this.#perSecond = perSecond;
    this.#queues = Array.from({ length: queues }, () => []);
  }

  /** Makes what is due as number `index`, and enqueues it. */
  protected abstract make(index: number): void;

  /** Resolves when all of it is acknowledged. When it throws, nobody knows what was: all of it is sent again. */
  protected abstract send(batch: readonly Due[]): Promise<void>;

  protected enqueue(queue: number, due: Due): void {
    this.#queues[queue]?.push(due);
  }

  /** Sends that failed and were made again. */
  get failures(): number {
    return this.#failures;
  }

  start(): void {
    this.#running = Promise.all([this.#schedule(), ...this.#queues.map((queue) => this.#drain(queue))]);
  }

  /** Schedules no more and waits until all that was scheduled is acknowledged. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Schedules no more, and gives up what is not acknowledged: whoever it went to is gone. */
  abandon(): Promise<void> {
    this.#stopped = true;
    this.#abandoned = true;
    return this.stop();
  }

  async #schedule(): Promise<void> {
    const startedAt = performance.now();
    for (let made = 0; !this.#stopped; ) {
      const wanted = Math.floor(((performance.now() - startedAt) / 1_000) * this.#perSecond);
      for (; made < wanted; made += 1) this.make(made);
      await pause(TICK_MS);
    }
  }

  async #drain(queue: Due[]): Promise<void> {
    while (!this.#abandoned && (!this.#stopped || queue.length > 0)) {
      const batch = queue.slice(0, BATCH_MAX);
      if (batch.length === 0) {
        await pause(TICK_MS);
        continue;
      }
      try {
        await this.send(batch);
      } catch {
        this.#failures += 1;
        await pause(RETRY_MS);
        continue;
      }
      queue.splice(0, batch.length);
    }
  }
}
