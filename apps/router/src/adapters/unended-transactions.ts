/**
 * Topics that refused in transactions which the brokers have not ended: such a topic takes nothing before, for the end of
 * the transaction is written to it as well.
 */
export class UnendedTransactions {
  readonly #counts = new Map<string, number>();

  has(topic: string): boolean {
    return this.#counts.has(topic);
  }

  /** @param ended resolves when the brokers have ended the transaction; one that never does keeps its topics in here. */
  add(topics: Iterable<string>, ended: Promise<void>): void {
    const added = [...topics];
    for (const topic of added) this.#count(topic, 1);
    ended.then(
      () => {
        for (const topic of added) this.#count(topic, -1);
      },
      () => {},
    );
  }

  #count(topic: string, change: 1 | -1): void {
    const count = (this.#counts.get(topic) ?? 0) + change;
    if (count === 0) this.#counts.delete(topic);
    else this.#counts.set(topic, count);
  }
}
