import { z } from "zod";

const counted = z.object({
  /** Never handled. */
  missing: z.int(),
  /** Handled again, each time counted. */
  duplicate: z.int(),
  /** Handled, though nothing of the workload. */
  foreign: z.int(),
});

const consumerVerdict = z.object({
  /** By the consumer's own counts. */
  ...counted.shape,
  /** By the sink's; null without one. */
  sink: counted.nullable(),
  /** Records that the group has not committed: they would come again. */
  uncommitted: z.int(),
  /** Outcomes published, less those that should have been. */
  outcomesOff: z.int(),
  /** Deliveries recorded as delivered, less those that should have been; null for consumers that record none. */
  identitiesOff: z.int().nullable(),
});
export type ConsumerVerdict = Readonly<z.infer<typeof consumerVerdict>>;

const consumerRun = z.object({
  consumer: z.string(),
  records: z.int(),
  /** Over the steady part: 20 % to 95 % of the events. */
  perSecond: z.number(),
  steadySeconds: z.number(),
  /** CPU of the consumer's process and of the broker, over the same span. */
  cores: z.number(),
  brokerCores: z.number(),
  rssBytesMax: z.number(),
  verdict: consumerVerdict,
  valid: z.boolean(),
});
export type ConsumerRun = Readonly<z.infer<typeof consumerRun>>;

/** Several consumers on one kind of backlog. */
const consumerSet = z.object({ label: z.string(), runs: z.array(consumerRun) });
export type ConsumerSet = Readonly<z.infer<typeof consumerSet>>;

const latencies = {
  /** Timed events: of the other teams. */
  measured: z.int(),
  p50Ms: z.number(),
  p99Ms: z.number(),
  maxMs: z.number(),
  /** How late the load itself was, at worst: it counts as latency. */
  sendDelayMsMax: z.number(),
};

/** Of the plugin's process: the mean of the first and of the last minute (third, of a shorter run), and the most. */
const memory = { rssBytesFirst: z.number(), rssBytesLast: z.number(), rssBytesMax: z.number() };

const slowTeamRun = z.object({
  phase: z.string(),
  ...latencies,
  /** p99 of what was sent after the first ten seconds; null for a shorter phase. */
  laterP99Ms: z.number().nullable(),
  /** The slow team's deliveries: sent, and taken while it was slow. */
  slowSent: z.int(),
  slowTaken: z.int(),
  /** Deliveries in the due-time table, at most. */
  retriesMax: z.int(),
  /** From when the team was well again until all was taken; null when it was not in time. */
  caughtUpMs: z.number().nullable(),
  cores: z.number(),
  ...memory,
});
export type SlowTeamRun = Readonly<z.infer<typeof slowTeamRun>>;

/** What became of all that was sent, in all phases together. */
const slowTeamVerdict = z.object({
  sent: z.int(),
  missing: z.int(),
  duplicateSlow: z.int(),
  duplicateOthers: z.int(),
  uncommitted: z.int(),
  /** Still in the due-time table. */
  waiting: z.int(),
  identitiesOff: z.int(),
  deadLetters: z.int(),
});
export type SlowTeamVerdict = Readonly<z.infer<typeof slowTeamVerdict>>;

const backlogRun = z.object({
  /** Of the backlog; the others' are live. */
  lane: z.string(),
  records: z.int(),
  /** Deliveries of the other teams, sent meanwhile. */
  others: z.int(),
  /** Between 20 % and 95 % of all. */
  perSecond: z.number(),
  /** From when the plugin was ready until all was committed. */
  seconds: z.number(),
  ...latencies,
  cores: z.number(),
  ...memory,
  verdict: z.object({ ...counted.shape, uncommitted: z.int() }),
});
export type BacklogRun = Readonly<z.infer<typeof backlogRun>>;

/** What each kind of measurement of the SDK leaves behind, beside what all results say. */
export const sdkResults = {
  overhead: { kind: z.literal("sdk-overhead"), set: consumerSet },
  sink: { kind: z.literal("sdk-sink"), set: consumerSet, answerMs: z.number() },
  slowTeam: {
    kind: z.literal("sdk-slow-team"),
    teams: z.int(),
    /** What the slow team sends, of what each other sends. */
    slowTimes: z.int(),
    ratePerSecond: z.int(),
    seconds: z.int(),
    runs: z.array(slowTeamRun),
    verdict: slowTeamVerdict,
  },
  backlog: {
    kind: z.literal("sdk-backlog"),
    records: z.int(),
    teams: z.int(),
    ratePerSecond: z.int(),
    runs: z.array(backlogRun),
  },
} as const;
