/**
 * The offsets of one fetched window: tells how far everything is done, so that nothing unfinished is ever committed past.
 *
 *     window   10 11 12 13 14
 *     done      x  x     x          committable: 12 (the next to read), for 12 is not done
 */
export class OffsetWindow {
  readonly #offsets: readonly string[];
  readonly #done: boolean[];
  #contiguous = 0;

  /** @param offsets ascending. */
  constructor(offsets: readonly string[]) {
    this.#offsets = offsets;
    this.#done = offsets.map(() => false);
  }

  done(index: number): void {
    this.#done[index] = true;
    while (this.#done[this.#contiguous] === true) this.#contiguous += 1;
  }

  /** The last offset up to which all are done; null when not even the first is. */
  lastDone(): string | null {
    return this.#offsets[this.#contiguous - 1] ?? null;
  }
}
