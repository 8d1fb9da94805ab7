import { z } from "zod";
import { sdkResults } from "./sdk/sdk-result.ts";
import { verdictSchema as verdict } from "./verifier.ts";
import { workloadSpecSchema as workload } from "./workload.ts";

const throughputRun = z.object({
  peer: z.string(),
  routers: z.int(),
  /** Over the steady part: 20 % to 95 % of the copies. */
  recordsPerSecond: z.number(),
  /** From the first copy to the last. */
  wholeRecordsPerSecond: z.number().nullable(),
  measuredBy: z.enum(["appends", "commits"]),
  steadySeconds: z.number(),
  routerCores: z.number(),
  brokerCores: z.number(),
  recordsPerCoreSecond: z.number().nullable(),
  rssBytesMax: z.number(),
  verdict,
  valid: z.boolean(),
});
export type ThroughputRun = z.infer<typeof throughputRun>;

const latencyRun = z.object({
  peer: z.string(),
  ratePerSecond: z.number(),
  measured: z.int(),
  p50Ms: z.number(),
  p90Ms: z.number(),
  p99Ms: z.number(),
  p999Ms: z.number(),
  maxMs: z.number(),
  /** How late the load itself was, at worst: it counts as latency. */
  sendDelayMaxMs: z.number(),
  routerCores: z.number(),
  verdict,
  valid: z.boolean(),
});
export type LatencyRun = z.infer<typeof latencyRun>;

const change = z.object({
  scenario: z.string(),
  change: z.string(),
  /** From the answer to the first copy that was decided by the new rule; 0 when it came before the answer. */
  firstNewMs: z.number(),
  /** From the answer to the last copy that was decided by the old rule, by whatever router; 0 when none came after it. */
  lastOldMs: z.number(),
  answeredWith: z.string(),
});
export type Change = z.infer<typeof change>;

const tableCheck = z.object({ scenario: z.string(), teams: z.int(), routers: z.int(), differences: z.int() });
export type TableCheck = z.infer<typeof tableCheck>;

const fairnessRun = z.object({
  /** Without the noisy team, or with it. */
  load: z.enum(["quiet", "noisy"]),
  ratePerSecond: z.int(),
  /** Timed copies: those of the other teams. */
  measured: z.int(),
  p50Ms: z.number(),
  p99Ms: z.number(),
  maxMs: z.number(),
  sendDelayMaxMs: z.number(),
  /** Copies of the noisy team by lane, and what of the others' took bulk. */
  noisyLive: z.int(),
  noisyBulk: z.int(),
  othersBulk: z.int(),
  routerCores: z.number(),
  verdict,
  valid: z.boolean(),
});
export type FairnessRun = z.infer<typeof fairnessRun>;

const machine = z.object({
  cpu: z.string(),
  cores: z.int(),
  memoryBytes: z.number(),
  node: z.string(),
  disk: z.enum(["tmpfs", "disk"]),
});

/** One row of a comparison: a workload, and what was run on it. */
const throughputSet = z.object({ label: z.string(), workload, runs: z.array(throughputRun) });
export type ThroughputSet = z.infer<typeof throughputSet>;

const common = { name: z.string(), command: z.string(), at: z.string(), commit: z.string(), machine };

/** What a measurement leaves behind: everything that docs/performance.md shows comes from such a file. */
export const resultSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("throughput"), ...common, sets: z.array(throughputSet) }),
  z.object({ kind: z.literal("latency"), ...common, workload, runs: z.array(latencyRun) }),
  z.object({ kind: z.literal("freshness"), ...common, changes: z.array(change), tables: z.array(tableCheck) }),
  z.object({
    kind: z.literal("fairness"),
    ...common,
    workload,
    /** Highest rate at which the router kept up; null when the load was given. */
    capacityPerSecond: z.int().nullable(),
    /** Of each team. */
    quota: z.object({ eventsPerSecond: z.number(), burst: z.int() }),
    runs: z.array(fairnessRun),
  }),
  z.object({
    kind: z.literal("table"),
    ...common,
    sets: z.array(throughputSet),
    /** Cold starts of a router with all teams in Redis: from spawn to the first copy's append. */
    coldStartsMs: z.array(z.number()),
    enablementsPerSecond: z.number().nullable(),
  }),
  z.object({ ...common, ...sdkResults.overhead }),
  z.object({ ...common, ...sdkResults.sink }),
  z.object({ ...common, ...sdkResults.slowTeam }),
  z.object({ ...common, ...sdkResults.backlog }),
]);
export type Result = z.infer<typeof resultSchema>;
export type Machine = z.infer<typeof machine>;
