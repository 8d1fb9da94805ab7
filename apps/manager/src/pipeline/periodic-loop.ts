import type { Clock, Component, Logger } from "@plugboard/runtime";

/**
 * Runs `work` again and again: at once when woken, otherwise every `intervalMs`. One run at a time; a run that throws is
 * logged and the loop goes on. Of a row of failures the first is a warning, for an outage would fill the log.
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
  #failing = false;
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
        if (this.#failing) this.#logger.info({ loop: this.name }, "works again");
        this.#failing = false;
      } catch (error) {
        if (!signal.aborted)
          this.#logger[this.#failing ? "debug" : "warn"]({ error, loop: this.name }, "goes on trying");
        this.#failing = true;
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
