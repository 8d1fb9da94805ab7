import type { FairPool } from "../delivery/fair-pool.ts";
import type { QuickCall } from "../delivery/quick-attempts.ts";
import type { MalformedRecord, Received } from "../delivery/received.ts";

export interface BeginParts {
  /** Calls the handler of a delivery for which nobody has to be asked; null for another. Null for a plugin that has none such. */
  readonly quick: ((received: Received) => QuickCall | null) | null;
  readonly pool: Pick<FairPool, "hasRoom" | "mayBegin">;
  readonly record: (index: number) => Received | MalformedRecord;
  /** Whether nothing new may be begun. */
  readonly halted: () => boolean;
  /** A record whose delivery is settled already. */
  readonly done: (index: number) => void;
  /** One whose handler has been called. */
  readonly takeOver: (begun: QuickCall, index: number) => void;
  /** Any other. */
  readonly place: (record: Received | MalformedRecord, index: number) => void;
}

/** Turns of the microtask queue in which a handler that waits for nothing outside is done. */
const TURNS_MAX = 4;
/** Deliveries handled until timers and sockets have their turn: about a millisecond. */
const RUN_MAX = 64;

/**
 * Goes through the records of a window once. A delivery whose handler is done at once needs no place in the pool, no timer and no promise that
 * outlives it, and takes nobody's turn. A call that takes its time gets a place; when there is none left for one, that was one
 * too many, and all that follow wait for theirs.
 */
export async function beginWindow(count: number, parts: BeginParts): Promise<void> {
  const { quick, pool, record, halted, done, takeOver, place } = parts;
  let crowded = quick === null;
  for (let index = 0; index < count; index += 1) {
    const received = record(index);
    if (!crowded && index % RUN_MAX === RUN_MAX - 1) await new Promise((resolve) => setImmediate(resolve));
    const mayBegin = !crowded && !halted() && received.kind === "delivery";
    const begun =
      mayBegin && pool.mayBegin(received.event.teamId, received.orderKey) ? (quick?.(received) ?? null) : null;
    if (begun === null) {
      place(received, index);
      continue;
    }
    for (let turn = 0; turn < TURNS_MAX && begun.state === "under way"; turn += 1) await null;
    if (begun.state === "went well") {
      begun.settled();
      done(index);
    } else {
      crowded = !pool.hasRoom;
      takeOver(begun, index);
    }
  }
}
