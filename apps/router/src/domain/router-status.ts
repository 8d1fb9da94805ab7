import type { Lane } from "@plugboard/contract";
import type { HealthReport, SafetyFinding } from "@plugboard/runtime";
import type { UsedUp } from "./quotas.ts";

/** What a router tells of itself at /status, as JSON as it is here. Counters count since it started. */
export interface RouterStatus {
  readonly version: string;
  /** ROUTER_INSTANCE_ID. */
  readonly instance: string | null;
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  readonly delivery: "at-least-once" | "exactly-once";
  readonly health: HealthReport;
  readonly safety: {
    /** PLUGBOARD_ALLOW_UNSAFE. */
    readonly allowUnsafe: boolean;
    readonly findings: readonly SafetyFinding[];
  };
  readonly group: {
    readonly id: string;
    readonly topic: string;
    /** Of its threads; none while it is no member. */
    readonly memberIds: readonly string[];
    readonly generation: number | null;
    /** Of the topic; null while not known. */
    readonly topicPartitions: number | null;
    /** Of this process. */
    readonly lagRecords: number;
    readonly partitions: readonly {
      readonly partition: number;
      readonly lagRecords: number;
      /** Of the oldest record not settled; with none, how long ago the broker said so. */
      readonly oldestAgeSeconds: number;
    }[];
  };
  /** Over the last minute; null in the first seconds. */
  readonly throughput: {
    readonly overSeconds: number;
    readonly recordsPerSecond: number;
    readonly copiesPerSecond: number;
  } | null;
  readonly inFlight: { readonly bytes: number; readonly limitBytes: number };
  readonly plugins: readonly {
    readonly plugin: string;
    readonly copies: Readonly<Record<Lane, number>>;
    readonly overQuota: number;
  }[];
  readonly quotas: {
    /** Teams' plugins with a quota that had events lately. */
    readonly routes: number;
    /** Those over their quota now, at most 20. */
    readonly usedUp: readonly UsedUp[];
  };
  readonly unwritable: readonly {
    readonly topic: string;
    readonly why: string;
    readonly forSeconds: number;
    readonly parking: boolean;
  }[];
  /** Copies that were parked, by topic. */
  readonly parked: readonly { readonly topic: string; readonly copies: number }[];
  readonly table: {
    readonly epoch: string | null;
    readonly seq: number;
    /** Null before the first answer. */
    readonly stalenessSeconds: number | null;
    readonly entries: number;
    readonly hits: number;
    readonly misses: number;
    readonly resets: number;
  };
  /** 0 on a good day. */
  readonly trouble: {
    readonly rewinds: number;
    readonly produceFailures: number;
    readonly offsetsLost: number;
    readonly malformed: number;
    readonly filterErrors: number;
  };
}
