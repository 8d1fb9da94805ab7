import type { SimulatedProcess, WorldEvent } from "./simulated-process.ts";

/** Events by their moment: a binary heap. */
export class EventQueue {
  readonly #heap: WorldEvent[] = [];
  #orders = 0;

  push(at: number, process: SimulatedProcess | null, run: () => void): WorldEvent {
    const event: WorldEvent = { at, order: 0, process, run, timer: false, cancelled: false };
    this.requeue(event, at);
    return event;
  }

  requeue(event: WorldEvent, at: number): void {
    this.#orders += 1;
    event.at = at;
    event.order = this.#orders;
    this.#heap.push(event);
    this.#up(this.#heap.length - 1);
  }

  /** The next event, unless it is later than `until`. */
  popUntil(until: number): WorldEvent | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.at > until) return undefined;
    const last = this.#heap.pop() as WorldEvent;
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#down(0);
    }
    return first;
  }

  /** Puts a process's timers off. */
  delay(process: SimulatedProcess, ms: number): void {
    for (const event of this.#heap) if (event.process === process && event.timer) event.at += ms;
    for (let index = this.#heap.length >> 1; index >= 0; index -= 1) this.#down(index);
  }

  #up(start: number): void {
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#swapped(parent, index)) return;
      index = parent;
    }
  }

  #down(start: number): void {
    let index = start;
    for (;;) {
      const [left, right] = [2 * index + 1, 2 * index + 2];
      let least = index;
      if (left < this.#heap.length && isBefore(this.#heap[left], this.#heap[least])) least = left;
      if (right < this.#heap.length && isBefore(this.#heap[right], this.#heap[least])) least = right;
      if (least === index) return;
      this.#swapped(index, least);
      index = least;
    }
  }

  /** Swaps two when the second is before the first. */
  #swapped(first: number, second: number): boolean {
    const [one, other] = [this.#heap[first] as WorldEvent, this.#heap[second] as WorldEvent];
    if (!isBefore(other, one)) return false;
    this.#heap[first] = other;
    this.#heap[second] = one;
    return true;
  }
}

function isBefore(one: WorldEvent | undefined, other: WorldEvent | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
