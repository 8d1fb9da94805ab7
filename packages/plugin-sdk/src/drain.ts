import type { Component } from "@plugboard/runtime";

/**
 * The two signals of a stop: at `draining` nothing new is begun; `PLUGIN_DRAIN_MS` later, at `stopping`, what is still
 * under way is cut short and handed back. Started last, so it is stopped first.
 */
export class Drain implements Component {
  readonly name = "drain";
  readonly #draining = new AbortController();
  readonly #stopping = new AbortController();
  readonly #drainMs: number;

  constructor(drainMs: number) {
    this.#drainMs = drainMs;
  }

  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  async stop(): Promise<void> {
    this.#draining.abort(new Error("the plugin drains"));
    const timer = setTimeout(() => this.#stopping.abort(new Error("the plugin stops")), this.#drainMs);
    timer.unref();
  }
}
