/** Memory for one send. */
export interface Loan {
  /** Not cleared. */
  take(bytes: number): Buffer;
  /** Nothing that was taken is used any more. */
  end(): void;
}

/**
 * Memory that is used again for every send. Memory of its own for each would be a gigabyte for every million copies, and all
 * that is taken outside of V8's heap makes it collect the whole heap (docs/performance.md).
 */
export class ReusedMemory {
  readonly #bytesMax: number;
  #block = Buffer.alloc(0);
  #isLent = false;

  /** @param bytesMax kept at most; what goes beyond is taken anew each time. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** To one at a time: whoever asks meanwhile gets memory that is taken anew. */
  lend(bytesNeeded: number): Loan {
    if (this.#isLent) return { take: Buffer.allocUnsafeSlow, end: () => {} };
    this.#isLent = true;
    if (bytesNeeded > this.#block.length && bytesNeeded <= this.#bytesMax)
      this.#block = Buffer.allocUnsafeSlow(Math.min(this.#bytesMax, 2 * bytesNeeded));
    let used = 0;
    const take = (bytes: number) => {
      if (used + bytes > this.#block.length) return Buffer.allocUnsafeSlow(bytes);
      used += bytes;
      return this.#block.subarray(used - bytes, used);
    };
    const end = () => {
      this.#isLent = false;
    };
    return { take, end };
  }
}
