/** A process of the simulated world, as far as the world knows it. */
export class SimulatedProcess {
  readonly name: string;
  alive = true;
  /** Stopped by a signal, or with its machine: nothing of it runs, what is due waits. */
  frozen = false;
  /** How far its wall clock is off, milliseconds. */
  wallOffsetMs = 0;
  /** How long its machine has been suspended: a monotonic clock does not count that. */
  suspendedMs = 0;
  readonly held: WorldEvent[] = [];

  constructor(name: string) {
    this.name = name;
  }
}

/** Something that happens at a moment, of a process or (null) of the world itself. */
export interface WorldEvent {
  at: number;
  /** Decides between events of the same moment: first come, first served. */
  order: number;
  readonly process: SimulatedProcess | null;
  readonly run: () => void;
  /** Set by a timer of a process, which waits while its machine is suspended. */
  timer: boolean;
  cancelled: boolean;
}
