/** Keeps whoever makes records from being far ahead of whoever writes them. */
export class WaitingRoom {
  readonly #recordsMax: number;
  #closed = false;
  #wake: (() => void) | undefined;
  #room: Promise<void> = Promise.resolve();

  /** @param recordsMax so many may wait before more are made; what is made at once may overshoot it. */
  constructor(recordsMax: number) {
    this.#recordsMax = recordsMax;
  }

  /** @param records that wait now. */
  set(records: number): void {
    if (records < this.#recordsMax || this.#closed) this.#open();
    else if (this.#wake === undefined) this.#room = this.#later();
  }

  /** Resolves when fewer wait, or nobody waits any more. */
  room(): Promise<void> {
    return this.#room;
  }

  close(): void {
    this.#closed = true;
    this.#open();
  }

  #later(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    return promise;
  }

  #open(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
