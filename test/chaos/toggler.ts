import { setTimeout as pause } from "node:timers/promises";
import type { RuleChange } from "./journal.ts";
import type { Rig } from "./rig.ts";
import { TOGGLED_PLUGIN, TOGGLED_TEAM } from "./teams.ts";

const EVERY_MS = 8_000;
const RETRY_MS = 250;

/** Switches a plugin on and off for one team all the time; a change that fails is made again until it is in force. */
export class Toggler {
  readonly #rig: Rig;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(rig: Rig) {
    this.#rig = rig;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let enabled = true; !signal.aborted; enabled = !enabled) {
      await this.#change(enabled);
      await pause(EVERY_MS, undefined, { signal }).catch(() => {});
    }
  }

  async #change(enabled: boolean): Promise<void> {
    const change: RuleChange = {
      team: TOGGLED_TEAM,
      plugin: TOGGLED_PLUGIN,
      enabled,
      askedAt: Date.now(),
      inForceAt: Number.POSITIVE_INFINITY,
    };
    this.#rig.journal.changes.push(change);
    while (!this.#stopping.signal.aborted) {
      const current = await this.#rig.calls.enable(TOGGLED_TEAM, TOGGLED_PLUGIN, enabled).catch(() => false);
      if (current) {
        change.inForceAt = Date.now();
        return;
      }
      await pause(RETRY_MS);
    }
  }
}
