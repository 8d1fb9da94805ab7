/** From and to when, milliseconds since the epoch. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The steady part of a run lies between these shares of its copies: processes are warm, and none has run dry yet. */
const STEADY_FROM = 0.2;
const STEADY_TO = 0.95;

/**
 * When the broker appended a run's copies (it stamps them, the routers do not), counted per millisecond: rates follow from
 * the broker's clock alone, whatever a process says of itself.
 */
export class AppendTimes {
  readonly #counts = new Map<number, number>();
  #total = 0;

  add(appendedAtMs: number): void {
    this.#counts.set(appendedAtMs, (this.#counts.get(appendedAtMs) ?? 0) + 1);
    this.#total++;
  }

  get total(): number {
    return this.#total;
  }

  /** From the first copy to the last; undefined without copies. */
  whole(): Span | undefined {
    const times = [...this.#counts.keys()].sort((one, other) => one - other);
    const [fromMs, toMs] = [times[0], times.at(-1)];
    return fromMs === undefined || toMs === undefined ? undefined : { fromMs, toMs };
  }

  /**
   * Rate over the steady part, copies per second; undefined when there is no time in it to measure.
   * @param notBeforeMs nor does it begin before this moment.
   */
  steady(
    notBeforeMs = 0,
  ): { readonly span: Span; readonly copies: number; readonly copiesPerSecond: number } | undefined {
    const begin = this.#total * STEADY_FROM;
    const end = this.#total * STEADY_TO;
    let sum = 0;
    let from: { readonly ms: number; readonly sum: number } | undefined;
    for (const ms of [...this.#counts.keys()].sort((one, other) => one - other)) {
      sum += this.#counts.get(ms) ?? 0;
      if (from === undefined && sum >= begin && ms >= notBeforeMs) from = { ms, sum };
      if (from !== undefined && sum >= end && ms > from.ms) {
        const copies = sum - from.sum;
        const span = { fromMs: from.ms, toMs: ms };
        return { span, copies, copiesPerSecond: (copies * 1_000) / (ms - from.ms) };
      }
    }
    return undefined;
  }
}
