/** Deliveries that failed one after the other, with no success between: what opens a breaker. */
export class FailureRun {
  readonly #max: number;
  /** Distinct ones: a single delivery that fails again and again says nothing of the others. */
  readonly #failed = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Answers whether it is as long as it may get. */
  failed(what: string): boolean {
    if (this.#failed.size < this.#max) this.#failed.add(what);
    return this.#failed.size >= this.#max;
  }

  succeeded(): void {
    this.#failed.clear();
  }
}
