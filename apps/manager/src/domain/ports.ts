import type {
  EventAttributes,
  Heartbeat,
  PluginEntry,
  PluginTopics,
  Quota,
  RoutesResponse,
  TeamEntry,
  TeamRoute,
} from "@plugboard/contract";
import type { JsonObject, PluginRecord, TeamPluginRecord } from "./records.ts";
import type { RoutingKey, VersionedEntry } from "./routing-entries.ts";

/** A page of rows in the order of their ids. */
export interface PageRequest {
  /** Only ids greater than this one. */
  readonly after: string | null;
  readonly limit: number;
}

/** What is kept of a plugin that is being registered. */
export type PluginDraft = Omit<PluginRecord, "registeredAt" | "updatedAt">;

/**
 * Plugins in Postgres. A change locks the plugin's row, and its routing entry (with history and outbox row) changes in
 * the same transaction.
 */
export interface PluginStore {
  find(id: string): Promise<PluginRecord | null>;
  list(page: PageRequest, options: { deregistered: boolean }): Promise<PluginRecord[]>;
  /** How many teams have each of the plugins enabled. */
  teamsEnabled(ids: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /**
   * @param decide sees the row under lock (null when there is none), and says what it should be; whatever it throws
   *   rolls everything back. While it decides, no team's settings for the plugin can change.
   */
  change(
    id: string,
    decide: (current: PluginRecord | null, teams: SettingsUnderLock) => PluginDraft | Promise<PluginDraft>,
  ): Promise<PluginRecord>;
  /** How many teams' secrets each of the plugins has still to seal to its present key. */
  teamsToReseal(ids: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Teams whose row says `state` for this plugin, in the order of their ids. */
  teamsInState(id: string, state: "missing" | "not-required", limit: number): Promise<string[]>;
}

/** What a team has given a plugin: secrets are sealed. */
export interface StoredSettings {
  readonly team: string;
  readonly settings: JsonObject;
}

/** All teams' settings for a plugin while its row is locked. */
export interface SettingsUnderLock {
  /** Those in force, and those on their way, by team; a page is a bounded number of teams. */
  pages(): AsyncIterable<readonly StoredSettings[]>;
  /** Has the plugin told of every team that has it enabled, or was told of before: some may have left meanwhile. */
  tellEnabled(): Promise<void>;
  /** Has every team's secrets sealed anew by the plugin, to the key that it has from now on. */
  resealAll(): Promise<void>;
  /** Gives these teams' settings a new version and sends them to the plugin, see settings-state.ts. */
  sendAgain(teams: readonly string[]): Promise<void>;
}

/** A team's view of one plugin, under the team's lock. */
export interface TeamPluginSight {
  readonly plugin: PluginRecord;
  readonly row: TeamPluginRecord | null;
  /** How many plugins the team has enabled. */
  readonly enabledCount: number;
}

/** What becomes of the row. With `initialize` its settings are sent to the plugin. */
export interface TeamPluginDecision {
  readonly row: TeamPluginRecord;
  readonly initialize: boolean;
}

export interface TeamPluginPair {
  readonly plugin: PluginRecord;
  readonly row: TeamPluginRecord | null;
}

/**
 * What teams decided, in Postgres. A change locks the team's row, and its routing entry (with history and outbox row)
 * changes in the same transaction.
 */
export interface TeamStore {
  find(team: string, plugin: string): Promise<TeamPluginPair | null>;
  /** Every plugin that is not deregistered, with the team's row where there is one. */
  list(team: string, page: PageRequest): Promise<TeamPluginPair[]>;
  /**
   * @param decide null leaves all as it is; whatever it throws rolls everything back.
   * @returns null when there is no such plugin.
   */
  change(
    team: string,
    plugin: string,
    decide: (sight: TeamPluginSight) => TeamPluginDecision | null,
  ): Promise<TeamPluginPair | null>;
  setQuota(team: string, quota: Quota | null): Promise<void>;
  /** Rows of one plugin that have settings, by team. */
  settingsOf(plugin: string, page: PageRequest): Promise<TeamPluginRecord[]>;
}

export interface Backlog {
  readonly rows: number;
  readonly oldestAgeSeconds: number;
}

/** What Redis should say of itself as of the last relay. */
export interface TableState {
  readonly epoch: string;
  readonly seq: number;
}

export type PublishResult =
  | { readonly kind: "published"; readonly seq: number; readonly applied: number; readonly stale: number }
  /** Redis is not the one that was written to: flushed, restarted, or failed over with a lost tail. Nothing was written. */
  | { readonly kind: "lost"; readonly found: { readonly epoch: string | null; readonly seq: number } };

export type RelayPass =
  | { readonly kind: "idle" }
  | { readonly kind: "relayed"; readonly applied: number; readonly stale: number; readonly more: boolean }
  /** Another instance relays or rebuilds. */
  | { readonly kind: "busy" }
  | { readonly kind: "lost" };

export type RebuildResult =
  | { readonly kind: "rebuilt"; readonly epoch: string; readonly entries: number }
  /** Somebody else has rebuilt it meanwhile. */
  | { readonly kind: "unneeded" }
  | { readonly kind: "busy" };

/** Ids whose entries are asked for. */
export interface RoutesQuery {
  readonly teams: readonly string[];
  readonly plugins: readonly string[];
}

/**
 * The routing table in Postgres. Whoever writes to Redis, relay or rebuild, holds one lock there: so versions of a key
 * reach Redis in order, and what Redis should say is known exactly.
 */
export interface RoutingStore {
  routes(query: RoutesQuery): Promise<RoutesResponse>;
  /** What Redis should say; null before the first rebuild. */
  state(): Promise<TableState | null>;
  /** True while changes are waiting for their relay. */
  hasPending(key?: RoutingKey): Promise<boolean>;
  backlog(): Promise<Backlog>;
  /** Publishes the oldest waiting changes under the lock; they leave the outbox only when `publish` resolves. */
  relay(
    limit: number,
    publish: (expected: TableState, changes: readonly VersionedEntry[]) => Promise<PublishResult>,
  ): Promise<RelayPass>;
  /**
   * Rebuilds under the lock.
   * @param needed is asked under the lock.
   */
  rebuild(
    needed: (state: TableState | null, pending: boolean) => Promise<boolean>,
    write: (
      epoch: string,
      pages: AsyncIterable<readonly VersionedEntry[]>,
    ) => Promise<{ seq: number; entries: number }>,
  ): Promise<RebuildResult>;
  /** Forgets versions that were superseded before `before`. @returns how many. */
  pruneHistory(before: Date): Promise<number>;
}

/** The routing table in Redis. Every method rejects within its deadline when Redis does not answer. */
export interface RoutingTableWriter {
  found(): Promise<{ readonly epoch: string | null; readonly seq: number }>;
  /** The versions of entries, null where there is none, as of one moment; without an epoch the table is not complete. */
  versions(
    keys: readonly RoutingKey[],
  ): Promise<{ readonly epoch: string | null; readonly versions: readonly (number | null)[] }>;
  publish(expected: TableState, changes: readonly VersionedEntry[]): Promise<PublishResult>;
  rebuild(
    epoch: string,
    pages: AsyncIterable<readonly VersionedEntry[]>,
  ): Promise<{ readonly seq: number; readonly entries: number }>;
  /** Why this Redis must not hold the table (its eviction policy); null when it may. */
  unfit(): Promise<string | null>;
}

export interface Lease {
  readonly instance: string;
  readonly expiresAt: Date;
  /** What it runs, as far as it said. */
  readonly runs: Heartbeat;
}

/** Live instances: a hint. Every method rejects within its deadline when Redis does not answer. */
export interface LeaseStore {
  /** @returns the plugin's live leases, this one among them. */
  renew(plugin: string, instance: string, runs: Heartbeat): Promise<readonly Lease[]>;
  /** @returns how many instances are left. */
  release(plugin: string, instance: string): Promise<number>;
  live(plugins: readonly string[]): Promise<ReadonlyMap<string, readonly Lease[]>>;
}

export interface TopicStore {
  /** Creates what is missing of a plugin's topics. */
  ensure(plugin: string): Promise<PluginTopics>;
  /** Topics every deployment has: outcomes and commands. */
  ensureShared(): Promise<void>;
  remove(plugin: string): Promise<void>;
  namesOf(plugin: string): PluginTopics;
  /** Why Kafka cannot be used; null when it answers. */
  problem(): Promise<string | null>;
}

/** Topics that are to go, once no router can still know their plugin. */
export interface TopicDeletions {
  /** Does nothing for a plugin that has registered again meanwhile. */
  schedule(plugin: string, dueAt: Date): Promise<void>;
  cancel(plugin: string): Promise<void>;
  /**
   * Runs `remove` for one plugin whose time has come, keeping it locked meanwhile.
   * @returns false when there was none.
   */
  next(remove: (plugin: string) => Promise<void>): Promise<boolean>;
}

/** A signed call to a plugin, and how it ended. `body` is what it answered, parsed; undefined when that was not JSON. */
export type PluginAnswer =
  | { readonly kind: "answered"; readonly status: number; readonly body: unknown }
  | { readonly kind: "unreachable"; readonly error: string }
  | { readonly kind: "late"; readonly error: string }
  | { readonly kind: "unreadable"; readonly error: string };

/** Whom a call is for. With `version`, an instance of another version of the plugin leaves it to one of that. */
export interface PluginTarget {
  readonly plugin: string;
  readonly url: string;
  readonly path: string;
  readonly version?: string;
}

export interface PluginCalls {
  post(
    target: PluginTarget,
    body: unknown,
    options: { readonly deadlineMs: number; readonly signal?: AbortSignal },
  ): Promise<PluginAnswer>;
  webhookSecret(plugin: string): string;
}

/** A team's routes as of now, joined with their plugins' entries. */
export interface RouteLookup {
  /**
   * @returns null for a team that the manager does not know.
   * @throws when neither Redis nor Postgres answers before `signal` aborts.
   */
  resolve(team: string, signal: AbortSignal): Promise<TeamRoutes | null>;
}

export interface TeamRoutes {
  readonly team: TeamEntry;
  readonly plugins: ReadonlyMap<string, PluginEntry>;
}

/** Whether one of a team's plugins is asked inside the submit; `excused` says why it need not be. */
type SyncDecision =
  | { readonly kind: "asked" }
  | { readonly kind: "excused" }
  /** It would be asked, were it not in maintenance. */
  | { readonly kind: "maintenance" }
  /** The team's filter could not be evaluated on this event. */
  | { readonly kind: "undecidable"; readonly error: string };

export type DecideSync = (question: {
  readonly route: TeamRoute;
  readonly plugin: PluginEntry | undefined;
  readonly event: EventAttributes;
  readonly data: object;
}) => SyncDecision;

/** Seals secrets to a plugin's public key. */
export interface Sealer {
  /** Why a key cannot be sealed to; null when it can. */
  problem(publicKey: JsonObject): Promise<string | null>;
  seal(publicKey: JsonObject, value: unknown): Promise<string>;
}

/** Waits until a change has reached Redis. */
export interface Publication {
  /** @returns whether it is there, or still pending after a bound. */
  published(key: RoutingKey): Promise<"current" | "pending">;
}

/** Compiles a filter expression; null when it is valid. */
export type FilterCheck = (expression: string) => { message: string; line: number; column: number } | null;
