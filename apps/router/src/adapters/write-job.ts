import type { OutgoingRecord } from "../domain/ports.ts";

/** One call of `write`: settled when all its records are acknowledged, or when it is given up. */
export class WriteJob {
  readonly done: Promise<void>;
  readonly revoked: AbortSignal;
  readonly #resolve: () => void;
  readonly #reject: (error: Error) => void;
  #left: number;
  #over = false;

  constructor(records: number, revoked: AbortSignal) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.done = promise;
    this.revoked = revoked;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#left = records;
    revoked.addEventListener("abort", this.#onRevoked, { once: true });
    if (revoked.aborted) this.#finish();
  }

  /** True when nothing more of it is to be written. */
  get over(): boolean {
    return this.#over;
  }

  acknowledge(): void {
    this.#left -= 1;
    if (this.#left === 0) this.#finish();
  }

  fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.revoked.removeEventListener("abort", this.#onRevoked);
    this.#reject(error);
  }

  readonly #onRevoked = () => this.#finish();

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.revoked.removeEventListener("abort", this.#onRevoked);
    this.#resolve();
  }
}

/** A record waiting to be sent, and whom to tell. */
export interface Entry {
  readonly record: OutgoingRecord;
  readonly job: WriteJob;
}
