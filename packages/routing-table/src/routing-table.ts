import type { PluginEntry, TeamEntry } from "@plugboard/contract";

/** A team's entry joined with the entries of its plugins, as of one moment. */
export interface ResolvedTeam {
  readonly team: TeamEntry;
  /** Entries of every plugin in `team.plugins`; one that the manager does not know is missing here. */
  readonly plugins: ReadonlyMap<string, PluginEntry>;
  /** What the table's reader makes of it and keeps with it, for as long as the table does: a look-up less for each event. */
  derived?: object;
}

/** Where a reader of the table stands. */
export interface TablePosition {
  /** Of the table in Redis that memory follows; null while it follows none. */
  readonly epoch: string | null;
  /** The last change of that epoch that is known. */
  readonly seq: number;
}

/**
 * The read side of the routing table: L1 in this process, L2 Redis, L3 the manager. See architecture.md, "The routing
 * table". An answer is never older than the staleness bound, and never a guess: when nobody can answer, `resolve` waits.
 */
export interface RoutingTable {
  /** Starts polling for changes; resolves once Redis or the manager answers, or rejects when `signal` aborts. */
  start(signal?: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  /**
   * Resolves all teams of a batch with one round trip each to Redis and, if needed, the manager (a second one for
   * plugins that no team named before). A team unknown to the manager has null. Waits (back-pressure) while neither Redis nor the manager answers.
   * @throws the signal's reason when aborted.
   */
  resolve(teams: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, ResolvedTeam | null>>;
  /** A team as {@link resolve} would answer it without asking anybody; undefined when somebody has to be asked. */
  known(team: string): ResolvedTeam | null | undefined;
  /** Seconds since Redis (or, while it cannot, the manager) last told what is current; Infinity before the first answer. */
  stalenessSeconds(): number;
  position(): TablePosition;
}
