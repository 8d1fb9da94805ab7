import type { Backlog } from "./ports.ts";
import type { JsonObject, PluginRecord } from "./records.ts";
import type { SettingsStatus } from "./settings-state.ts";

/** The plugin's answer to one version of a team's settings; `retry` when it gave none. */
export type InitializeResult =
  | { readonly kind: "answered"; readonly status: SettingsStatus }
  | { readonly kind: "retry"; readonly error: string; readonly delayMs: number };

/** Settings on their way to a plugin. */
export interface InitializeTask {
  readonly team: string;
  readonly plugin: string;
  readonly url: string;
  /** The plugin's version whose registration stands: settings are checked against its schema, so its verdict counts. */
  readonly pluginVersion: string;
  readonly version: number;
  readonly settings: JsonObject;
  /** Counts from 1. */
  readonly attempt: number;
}

export interface InitializeQueue {
  /**
   * Takes due tasks for `leaseMs`, during which no other instance gets them.
   * @param limits.perPlugin at most so many of one plugin, so that a slow one does not fill the batch.
   */
  claim(
    limits: { readonly total: number; readonly perPlugin: number; readonly without: readonly string[] },
    leaseMs: number,
  ): Promise<InitializeTask[]>;
  /** Records an answer; a version that was replaced meanwhile changes nothing. */
  settle(task: InitializeTask, result: InitializeResult): Promise<void>;
  /** Makes every waiting task of a plugin due: it has just come back. */
  hurry(plugin: string): Promise<void>;
  /** How many wait, and how long the oldest has, for metrics. */
  backlog(): Promise<Backlog>;
}

/** Tasks that several instances take from one queue. */
export interface ClaimQueue<Task> {
  /** Takes at most `limit` due tasks for `leaseMs`, during which no other instance gets them. */
  claim(limit: number, leaseMs: number): Promise<Task[]>;
}

/** A team's settings whose secrets the plugin is to seal anew. */
export interface ResealTask {
  readonly team: string;
  readonly plugin: PluginRecord;
  readonly version: number;
  readonly settings: JsonObject;
}

export interface ResealQueue extends ClaimQueue<ResealTask> {
  /**
   * Stores the settings with their new seals, unless settings or key have changed meanwhile.
   * @param againInMs when the plugin is asked once more, for seals that it could not open; null when there are none.
   */
  settle(task: ResealTask, settings: JsonObject, againInMs: number | null): Promise<void>;
  putOff(task: ResealTask, delayMs: number): Promise<void>;
}

/** Whether a team has a plugin enabled, for the plugin to know. */
export interface TellTask {
  readonly team: string;
  readonly plugin: PluginRecord;
  readonly version: number;
  readonly enabled: boolean;
  /** Counts from 1. */
  readonly attempt: number;
}

export interface TellQueue extends ClaimQueue<TellTask> {
  /** The plugin knows; a change since is told all the same. */
  settle(task: TellTask): Promise<void>;
  putOff(task: TellTask, delayMs: number): Promise<void>;
  /** The plugin knows a later change than there was: this database is older. The team's present one becomes a later one yet. */
  overtake(task: TellTask, version: number): Promise<void>;
}
