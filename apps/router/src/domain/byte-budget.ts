/**
 * Bounds the memory of records that were read and are not settled. Takers do not know how much they will take until
 * they have it (a fetch answers with what there is), so room is asked for first and bytes are counted after: the bound
 * can be overshot by one fetch per broker, whose size is bounded too.
 */
export class ByteBudget {
  readonly #bytesMax: number;
  readonly #onChange: (bytes: number) => void;
  #bytes = 0;
  readonly #waiting = new Set<() => void>();

  constructor(bytesMax: number, onChange: (bytes: number) => void = () => {}) {
    this.#bytesMax = bytesMax;
    this.#onChange = onChange;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Resolves when there is room, or the signal aborts. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#bytes >= this.#bytesMax && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = () => resolve();
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake, { once: true });
      await promise;
      // The signal lives as long as an assignment: weeks. What waited must not stay with it.
      this.#waiting.delete(wake);
      signal.removeEventListener("abort", wake);
    }
  }

  take(bytes: number): void {
    this.#bytes += bytes;
    this.#onChange(this.#bytes);
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#bytes < 0) throw new Error(`released ${-this.#bytes} bytes more than were taken`);
    this.#onChange(this.#bytes);
    if (this.#bytes < this.#bytesMax) for (const wake of this.#waiting) wake();
  }
}
