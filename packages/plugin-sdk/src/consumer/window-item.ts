import type { PoolTask } from "../delivery/fair-pool.ts";
import type { HandOver } from "../delivery/hand-over.ts";
import type { Received } from "../delivery/received.ts";

/** What a window does with what its records come to. */
export interface WindowParts {
  readonly handOver: HandOver;
  /** Settled or stored: the offset of this record may move. */
  readonly done: (index: number) => void;
  /** Neither is certain: its offset stays. */
  readonly failed: (error: unknown) => void;
  /** The window need not wait for a record any more. */
  readonly left: () => void;
  /** Takes an attempt that goes on when its record has left the window. */
  readonly beside: (attempt: Promise<void>) => void;
}

export interface WindowItemParts {
  /** Its place in the window. */
  readonly index: number;
  /** Null for a record that is no event. */
  readonly delivery: Received | null;
  /** Its place in the pool; null when it is to be handed over at once. Answers whether it is settled or stored. */
  readonly task: PoolTask<boolean> | null;
}

/** Stores deliveries of a window in one statement, in their order; none of them has a place in the pool, or has it any more. */
export async function handOverTogether(items: readonly WindowItem[], handOver: HandOver): Promise<void> {
  try {
    await handOver.waiting(items.flatMap(({ delivery }) => (delivery === null ? [] : [delivery])));
    for (const item of items) item.stored();
  } catch (error) {
    for (const item of items) item.notStored(error);
  }
}

/**
 * One record of a window, from being fetched until the window need not wait for it any more.
 *
 *   here ──settled or stored──► left (done)         here ──failed, or not begun──► left (not done)
 *     └────handed over────────► left (done); an attempt under way goes on beside
 */
export class WindowItem {
  readonly team: string;
  /** Whether the window still waits for it. */
  here = true;
  readonly #window: WindowParts;
  readonly #parts: WindowItemParts;
  readonly #attempt: Promise<void>;

  constructor(window: WindowParts, parts: WindowItemParts) {
    this.#window = window;
    this.#parts = parts;
    this.team = parts.delivery?.event.teamId ?? "";
    this.#attempt = this.#watch();
  }

  /** The same for deliveries that have to keep their order. */
  get order(): string {
    const { delivery } = this.#parts;
    // A delivery without a key keeps no order: its own place is as good as any name.
    return JSON.stringify([this.team, delivery?.orderKey ?? delivery?.record.readFrom ?? null]);
  }

  get delivery(): Received | null {
    return this.#parts.delivery;
  }

  /** Whether it has no place in the pool and waits to be handed over. */
  get unplaced(): boolean {
    return this.here && this.#parts.task === null;
  }

  /**
   * Stores it in the due-time table and leaves the window. One whose attempt is under way, but not at its handler, stays.
   * @throws when an attempt under way cannot be stored; it then stays here.
   */
  async handOver(): Promise<void> {
    const { delivery, task } = this.#parts;
    const { handOver, beside } = this.#window;
    if (delivery === null) return;
    if (task === null || task.withdraw()) await handOverTogether([this], handOver);
    else if (await handOver.underWay(delivery)) {
      beside(this.#attempt.finally(() => handOver.ended(delivery)));
      this.#ends(true);
    }
  }

  /** It has been stored: the window need not wait for it. */
  stored(): void {
    this.#ends(true);
  }

  /** It could not be stored, and has no place in the pool any more: its offset stays. */
  notStored(error: unknown): void {
    this.#window.failed(error);
    this.#ends(false);
  }

  /** Leaves the window not done: its offset stays. Only for one without a place in the pool. */
  abandon(): void {
    this.#ends(false);
  }

  async #watch(): Promise<void> {
    const { task } = this.#parts;
    try {
      if (task !== null) this.#ends(await task.done);
    } catch (error) {
      if (!this.here) throw error;
      this.#window.failed(error);
      this.#ends(false);
    }
  }

  #ends(done: boolean): void {
    if (!this.here) return;
    this.here = false;
    if (done) this.#window.done(this.#parts.index);
    this.#window.left();
  }
}
