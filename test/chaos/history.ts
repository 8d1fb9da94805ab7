import type { EventPriority, Lane } from "@plugboard/contract";
import type { Disturbance, FaultWindow, RuleChange } from "./journal.ts";

/** One record of `responses`; an event unless it is poison. Times are the broker's, milliseconds since 1970. */
export interface InputRecord {
  /** `<topic>/<partition>/<offset>` */
  readonly origin: string;
  readonly partition: number;
  readonly offset: number;
  readonly id: string;
  readonly key: string;
  readonly team: string;
  readonly appendedAt: number;
  /** Key, value and headers, as they stand in the log. */
  readonly bytes: number;
  /** What the event says of its lane; null for nothing. */
  readonly priority: EventPriority | null;
  /** The value of a poison record, which must become a dead letter. */
  readonly poison?: string;
}

/** One record of a plugin's topic, or of `router.parked` (then with its target's plugin). */
export interface CopyRecord {
  readonly plugin: string;
  readonly lane: Lane;
  readonly partition: number;
  readonly offset: number;
  readonly origin: string;
  readonly delivery: string;
  readonly team: string;
  readonly appendedAt: number;
  readonly routedAt: number;
  readonly parked: boolean;
}

export interface History {
  readonly delivery: "at-least-once" | "exactly-once";
  readonly source: string;
  readonly inputs: readonly InputRecord[];
  /** By partition of `responses`, what the routers have committed: the rest they have not got to, or not settled. */
  readonly committed: ReadonlyMap<number, number>;
  /** Ids that Kafka acknowledged to the producer. */
  readonly acknowledged: ReadonlySet<string>;
  readonly copies: readonly CopyRecord[];
  /** Origins of the records in `responses.dlq`. */
  readonly deadLetters: readonly string[];
  /** Values of the poison records that were written. */
  readonly poison: readonly string[];
  readonly enabled: Readonly<Record<string, readonly string[]>>;
  /** By team, plugins of which it has a quota. */
  readonly limited: Readonly<Record<string, readonly string[]>>;
  /** How much all routers may have read and not committed, by their settings. */
  readonly inFlightBytesMax: number;
  /** Every team with a plugin has this one too: its copies say when an event was routed. */
  readonly steadyPlugin: string;
  readonly changes: readonly RuleChange[];
  readonly windows: readonly FaultWindow[];
  readonly disturbances: readonly Disturbance[];
  /** Copies of events that came before `until` went with the topic. */
  readonly deletions: readonly { readonly plugin: string; readonly until: number }[];
}

export interface Findings {
  /** Acknowledged to the producer and not in `responses`. */
  readonly neverStored: readonly string[];
  readonly lost: readonly string[];
  /** Parked, and not in the plugin's topic: still in `router.parked`, or lost on the way back. */
  readonly notReturned: readonly string[];
  /** Missing copies and dead letters of what no router has committed yet: late, and not lost. */
  readonly backlog: readonly string[];
  readonly misrouted: readonly string[];
  /** Copies in a lane that the event and its team's quota do not give. */
  readonly wrongLane: readonly string[];
  /** Copies with another identity than team, plugin, source and event give. */
  readonly wrongIdentity: readonly string[];
  readonly orderBreaks: readonly string[];
  /** First arrivals out of order that a change of the rule, or a quota, explains (see checkOrder). */
  readonly overtakenByRule: number;
  readonly duplicates: number;
  /** Repeated copies that no kill, freeze, lost leader or rewinding explains; with exactly-once all of them. */
  readonly unexplainedDuplicates: readonly string[];
  /** Of the cause after which most was repeated: the events' bytes. */
  readonly repeatedBytesMax: number;
  /** Causes after which more was repeated than the routers may have had in flight. */
  readonly repeatedTooMuch: readonly string[];
  /** Dead letters that should not be, and poison that is none. */
  readonly deadLetterErrors: readonly string[];
}
