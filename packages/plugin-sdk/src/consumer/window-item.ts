import type { PoolTask } from "../delivery/fair-pool.ts";
import type { HandOver } from "../delivery/hand-over.ts";
import type { Received } from "../delivery/received.ts";

export interface WindowItemParts {
  /** Null for a record that is no event. */
  readonly delivery: Received | null;
  /** Its place in the pool; null when it is to be handed over at once. Answers whether it is settled or stored. */
  readonly task: PoolTask<boolean> | null;
  readonly handOver: HandOver;
  /** Settled or stored: its offset may move. */
  readonly done: () => void;
  /** Neither is certain: its offset stays. */
  readonly failed: (error: unknown) => void;
  /** Takes an attempt that goes on when its record has left the window. */
  readonly beside: (attempt: Promise<void>) => void;
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
  /** The same for deliveries that have to keep their order. */
  readonly order: string;
  /** Resolves when the window need not wait for it any more. */
  readonly left: Promise<void>;
  /** Whether the window still waits for it. */
  here = true;
  readonly #parts: WindowItemParts;
  readonly #attempt: Promise<void>;
  #leave: () => void = () => {};

  constructor(parts: WindowItemParts) {
    this.#parts = parts;
    this.team = parts.delivery?.event.teamId ?? "";
    // A delivery without a key keeps no order: its own place is as good as any name.
    this.order = JSON.stringify([this.team, parts.delivery?.orderKey ?? parts.delivery?.record.readFrom ?? null]);
    this.left = new Promise((resolve) => {
      this.#leave = resolve;
    });
    this.#attempt = this.#watch();
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
    const { delivery, task, handOver } = this.#parts;
    if (delivery === null) return;
    if (task === null || task.withdraw()) await handOverTogether([this], handOver);
    else if (await handOver.underWay(delivery)) {
      this.#parts.beside(this.#attempt.finally(() => handOver.ended(delivery)));
      this.#ends(true);
    }
  }

  /** It has been stored: the window need not wait for it. */
  stored(): void {
    this.#ends(true);
  }

  /** It could not be stored, and has no place in the pool any more: its offset stays. */
  notStored(error: unknown): void {
    this.#parts.failed(error);
    this.#ends(false);
  }

  /** Leaves the window not done: its offset stays. Only for one without a place in the pool. */
  abandon(): void {
    this.#ends(false);
  }

  async #watch(): Promise<void> {
    const { task, failed } = this.#parts;
    try {
      if (task !== null) this.#ends(await task.done);
    } catch (error) {
      if (!this.here) throw error;
      failed(error);
      this.#ends(false);
    }
  }

  #ends(done: boolean): void {
    if (!this.here) return;
    this.here = false;
    if (done) this.#parts.done();
    this.#leave();
  }
}
