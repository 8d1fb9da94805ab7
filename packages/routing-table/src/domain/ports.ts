import type { PluginEntry, RoutesRequest, RoutesResponse, TeamEntry } from "@plugboard/contract";

/** `team:<id>` or `plugin:<id>`: how an entry is named in L1 and in the change stream. */
export type RouteKey = `team:${string}` | `plugin:${string}`;

export type RouteEntry = TeamEntry | PluginEntry;

/** A place in the change stream. `epoch` is null before the first answer. */
export interface Position {
  readonly epoch: string | null;
  readonly seq: number;
}

/** What the one script answers. `epoch` is null while the table in Redis is not complete. */
export interface PollAnswer extends Position {
  /** The position asked with. */
  readonly since: Position;
  /** Every change after `since`, or fewer when the reader is too far behind: then there is a hole. */
  readonly changes: readonly Change[];
}

interface Change {
  readonly seq: number;
  readonly key: string;
  /** JSON. */
  readonly entry: string;
}

/** Entries as they stood in Redis at one moment, with the position of that moment. */
export interface CacheAnswer extends Position {
  /** JSON, or null where there is no such key; in the order asked. */
  readonly values: readonly (string | null)[];
}

/** L2. Both calls settle within a deadline of their own. */
export interface RouteCache {
  poll(since: Position): Promise<PollAnswer>;
  read(keys: readonly RouteKey[]): Promise<CacheAnswer>;
  close(): Promise<void>;
}

/** L3, the manager: at most 1,000 teams and 1,000 plugins a call. Settles within a deadline of its own. */
export type FetchRoutes = (request: RoutesRequest, signal: AbortSignal) => Promise<RoutesResponse>;

/** What the table reports of itself. */
export interface TableObserver {
  lookedUp(hits: number, misses: number): void;
  polled(result: string): void;
  askedOrigin(result: "answered" | "failed"): void;
  reset(reason: string): void;
  malformed(entries: number): void;
}
