import type { RetryStore } from "../store/retry-store.ts";

interface SuspectPlaceParts {
  readonly retries: Pick<RetryStore, "wakeSuspect">;
  /** Something became due in `retries` at once. */
  readonly onStored: () => void;
}

/**
 * The place of the one suspect that is tried in this process. When the process ends, nobody else is under suspicion of it
 * a second time: those that were under way beside it are new suspects, and are tried in their turn (docs/decisions/0127).
 */
export class SuspectPlace {
  readonly #parts: SuspectPlaceParts;
  #taken = false;

  constructor(parts: SuspectPlaceParts) {
    this.#parts = parts;
  }

  /** Tries a suspect; null, and nothing is done, while another is tried. */
  async alone<T>(trial: () => Promise<T>): Promise<T | null> {
    if (this.#taken) return null;
    this.#taken = true;
    try {
      return await trial();
    } finally {
      this.#taken = false;
      await this.#wakeNext();
    }
  }

  /** Where it fails the next wakes by itself, later: the trial has ended as it has. */
  async #wakeNext(): Promise<void> {
    try {
      await this.#parts.retries.wakeSuspect();
      this.#parts.onStored();
    } catch {}
  }
}
