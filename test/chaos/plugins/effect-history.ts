import type { Lane } from "@plugboard/contract";
import type { Disturbance } from "../journal.ts";
import type { Kind } from "./roster.ts";
import type { SpentDeadline } from "./spent-deadlines.ts";
import type { Landed, Trouble } from "./vendor.ts";

/** One record of a plugin's lane. Times are milliseconds since 1970. */
export interface PluginCopy {
  readonly kind: Kind;
  readonly id: string;
  readonly team: string;
  readonly response: string;
  readonly revision: number;
  /** The vendor refuses it for good. */
  readonly doomed: boolean;
  readonly lane: Lane;
  readonly appendedAt: number;
  /** Its plugin's group has committed it. */
  readonly committed: boolean;
}

/** A row of the SDK's table `deliveries`. */
export interface DeliveryRow {
  readonly state: string;
  readonly outcome: string | null;
  readonly reason: string | null;
  readonly attempts: number;
  /** Of its last claim; kept where that was cut short. */
  readonly leaseUntil: number | null;
  readonly settledAt: number | null;
}

export interface DeadLetter {
  readonly id: string;
  readonly detail: string;
  readonly attempts: number;
  readonly history: readonly { readonly attempt: number; readonly reason: string }[];
  readonly at: number;
}

/** What a record of the topic `deliveries` says. */
export interface PublishedOutcome {
  readonly id: string;
  readonly outcome: string;
  readonly reason: string | null;
}

/** Everything there is to judge the plugins by, once all of them have stopped. */
export interface EffectHistory {
  readonly acknowledged: ReadonlySet<string>;
  readonly copies: readonly PluginCopy[];
  readonly rows: ReadonlyMap<string, DeliveryRow>;
  /** In the order in which they landed, of each plugin. */
  readonly landed: readonly Landed[];
  readonly troubles: ReadonlyMap<string, readonly Trouble[]>;
  /** What the processes logged of calls that the vendor did not answer in time, by delivery. */
  readonly spent: ReadonlyMap<string, readonly SpentDeadline[]>;
  readonly outcomes: readonly PublishedOutcome[];
  readonly deadLetters: readonly DeadLetter[];
  /** What still stands in the due-time tables. */
  readonly waiting: readonly string[];
  readonly disturbances: readonly Disturbance[];
  readonly freezes: readonly { readonly instance: string; readonly from: number; readonly until: number }[];
}
