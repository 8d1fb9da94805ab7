import type { Clock, Component, Logger } from "@plugboard/runtime";

/**
 * Runs `work` again and again: at once when woken, otherwise every `intervalMs`. One run at a time; a run that throws is
 * logged and the loop goes on.
 *
 *   waiting ──wake() or interval──► running ──► waiting      stop(): waits for the run under way
 */
export class PeriodicLoop implements Component {
  readonly name: string;
  readonly #work: (signal: AbortSignal) => Promise<void>;
  readonly #intervalMs: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  #woken = false;
  #wakeUp: () => void = () => {};
  #running: Promise<void> | undefined;

  constructor(
    name: string,
    work: (signal: AbortSignal) => Promise<void>,
    options: { intervalMs: number; clock: Clock; logger: Logger },
  ) {
    this.name = name;
    this.#work = work;
    this.#intervalMs = options.intervalMs;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  async start(): Promise<void> {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wakeUp();
    await this.#running;
  }

  /** Has the work run once more, at once or right after the run under way. */
  wake(): void {
    this.#woken = true;
    this.#wakeUp();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#woken = false;
      try {
        await this.#work(signal);
      } catch (error) {
        if (!signal.aborted) this.#logger.warn({ error, loop: this.name }, "loop failed; it goes on");
      }
      if (!this.#woken && !signal.aborted) await this.#pause(signal);
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wakeUp = () => woken.abort();
    await this.#clock.sleep(this.#intervalMs, AbortSignal.any([signal, woken.signal])).catch(() => {});
    this.#wakeUp = () => {};
  }
}
