import { setTimeout as sleep } from "node:timers/promises";
import { build, type Histogram } from "hdr-histogram-js";
import { z } from "zod";
import { createProducer } from "./bench-kafka.ts";
import { pacedSends } from "./paced-sends.ts";
import { messageOf } from "./produce-backlog.ts";
import { type FetchedCopy, TopicFetcher } from "./topic-fetcher.ts";
import { Verifier, verdictSchema } from "./verifier.ts";
import { Workload, workloadSpecSchema } from "./workload.ts";

/** What the process is told: one JSON object in its environment. */
export const openLoopJob = z.object({
  brokers: z.string(),
  input: z.string(),
  inputPartitions: z.int(),
  /** A copy's topic, by number of plugin; the input itself when there is no router. */
  topics: z.array(z.string()),
  workload: workloadSpecSchema,
  /** The same plugins' topics for copies over quota; none when those are not read. */
  bulkTopics: z.array(z.string()),
  /** A team whose copies are counted and not timed, by its number. */
  apart: z.int().nullable(),
  /** Every record goes to topic 0 instead of its team's plugins. */
  direct: z.boolean(),
  ratePerSecond: z.int(),
  warmUpSeconds: z.number(),
  seconds: z.number(),
});
export type OpenLoopJob = z.infer<typeof openLoopJob>;

/** What it prints when it is done. */
export const openLoopAnswer = z.object({
  measured: z.int(),
  percentilesMs: z.object({ p50: z.number(), p90: z.number(), p99: z.number(), p999: z.number(), max: z.number() }),
  /** Copies of the team apart, and of the others, by lane. */
  lanes: z.object({ apartLive: z.int(), apartBulk: z.int(), othersBulk: z.int() }),
  sendDelayMaxMs: z.number(),
  /** When the measured part began and ended, milliseconds since the epoch. */
  fromMs: z.number(),
  toMs: z.number(),
  verdict: verdictSchema,
});
export type OpenLoopAnswer = z.infer<typeof openLoopAnswer>;

/** Records sent before anything is measured, until their copies are there: the router has its partitions then. */
const PROBE_RECORDS = 50;
const PROBE_MS = 90_000;
/** How long copies may be outstanding when the last record was sent. */
const LAST_COPIES_MS = 30_000;
const MICROSECONDS = 1_000;
/** Live and bulk. */
const LANES = 2;
const BULK = 1;
/** A day would be a fault; three digits are exact to a thousandth. */
const HISTOGRAM = { highestTrackableValue: 120_000_000, numberOfSignificantValueDigits: 3 } as const;

/** How fast and how long. */
export type Pace = Pick<OpenLoopJob, "ratePerSecond" | "warmUpSeconds" | "seconds">;

/** Records that a whole run sends. */
export function recordsOf({ ratePerSecond, warmUpSeconds, seconds }: Pace): number {
  return PROBE_RECORDS + Math.ceil(ratePerSecond * (warmUpSeconds + seconds));
}

/**
 * Sends at a fixed rate whatever comes back, and follows the copies. A copy's latency counts from the moment its record
 * was *meant* to be sent: a load that is held up by the system it measures would hide just the longest waits otherwise
 * (coordinated omission).
 */
export class OpenLoop {
  readonly #job: OpenLoopJob;
  readonly #workload: Workload;
  readonly #verifier: Verifier;
  readonly #histogram: Histogram = build(HISTOGRAM);
  readonly #producer: ReturnType<typeof createProducer>;
  /** Copies of the probe, and of all. */
  readonly #probed: number;
  readonly #expected: number;
  readonly #lanes = { apartLive: 0, apartBulk: 0, othersBulk: 0 };
  #good = 0;
  #startedAtMs = Number.POSITIVE_INFINITY;
  #sendDelayMaxMs = 0;

  constructor(job: OpenLoopJob) {
    this.#job = job;
    this.#producer = createProducer(job.brokers);
    const records = recordsOf(job);
    this.#workload = new Workload({ ...job.workload, records });
    const pluginsOf = job.direct
      ? () => [0]
      : (serial: number) => this.#workload.pluginsOf(this.#workload.teamOf(serial));
    this.#verifier = new Verifier(this.#workload, records, pluginsOf, LANES);
    this.#expected = copiesOf(records, pluginsOf);
    this.#probed = copiesOf(PROBE_RECORDS, pluginsOf);
  }

  async run(): Promise<OpenLoopAnswer> {
    const { brokers, topics, bulkTopics, warmUpSeconds, seconds } = this.#job;
    const fetcher = await TopicFetcher.open(brokers, [...topics, ...bulkTopics]);
    let stopped = false;
    const following = this.#follow(fetcher, () => stopped);
    try {
      await this.#send(0, PROBE_RECORDS);
      await this.#until(this.#probed, PROBE_MS);
      this.#startedAtMs = performance.now();
      const fromMs = performance.timeOrigin + this.#startedAtMs + warmUpSeconds * 1_000;
      this.#sendDelayMaxMs = await pacedSends({
        from: PROBE_RECORDS,
        to: recordsOf(this.#job),
        intendedAtMs: (serial) => this.#intendedAtMs(serial),
        send: (from, to) => this.#send(from, to),
      });
      await this.#until(this.#expected, LAST_COPIES_MS).catch(() => {});
      stopped = true;
      await following;
      return this.#answer(fromMs, fromMs + seconds * 1_000);
    } finally {
      stopped = true;
      await following.catch(() => {});
      await fetcher.close();
      await this.#producer.close(true);
    }
  }

  async #send(from: number, to: number): Promise<void> {
    const { input, inputPartitions } = this.#job;
    const messages = Array.from({ length: to - from }, (_, index) =>
      messageOf(this.#workload, from + index, input, inputPartitions),
    );
    await this.#producer.send({ messages, acks: -1 });
  }

  async #follow(fetcher: TopicFetcher, stopped: () => boolean): Promise<void> {
    while (!stopped()) {
      await fetcher.poll((fetched) => {
        const copy = this.#inItsLane(fetched);
        const serial = this.#verifier.take(copy);
        if (serial < 0) return;
        this.#good++;
        if (serial < this.#firstMeasured || this.#isApart(serial, copy)) return;
        const latencyMs = performance.now() - this.#intendedAtMs(serial);
        this.#histogram.recordValue(Math.round(latencyMs * MICROSECONDS));
      });
    }
  }

  #inItsLane(copy: FetchedCopy): FetchedCopy {
    const plugins = this.#job.topics.length;
    return copy.plugin < plugins ? copy : { ...copy, plugin: copy.plugin - plugins, lane: BULK };
  }

  /** Counts a copy that is not timed. */
  #isApart(serial: number, { lane }: FetchedCopy): boolean {
    const { apart } = this.#job;
    if (apart === null || this.#workload.teamOf(serial) !== apart) {
      if (lane === BULK) this.#lanes.othersBulk++;
      return false;
    }
    if (lane === BULK) this.#lanes.apartBulk++;
    else this.#lanes.apartLive++;
    return true;
  }

  get #firstMeasured(): number {
    return PROBE_RECORDS + this.#job.ratePerSecond * this.#job.warmUpSeconds;
  }

  #intendedAtMs(serial: number): number {
    return this.#startedAtMs + ((serial - PROBE_RECORDS) * 1_000) / this.#job.ratePerSecond;
  }

  async #until(copies: number, deadlineMs: number): Promise<void> {
    const deadline = performance.now() + deadlineMs;
    while (this.#good < copies) {
      if (performance.now() > deadline)
        throw new Error(`only ${this.#good} of ${copies} copies within ${deadlineMs} ms`);
      await sleep(10);
    }
  }

  #answer(fromMs: number, toMs: number): OpenLoopAnswer {
    const at = (percentile: number) => this.#histogram.getValueAtPercentile(percentile) / MICROSECONDS;
    return {
      measured: this.#histogram.totalCount,
      percentilesMs: {
        p50: at(50),
        p90: at(90),
        p99: at(99),
        p999: at(99.9),
        max: this.#histogram.maxValue / MICROSECONDS,
      },
      lanes: this.#lanes,
      sendDelayMaxMs: this.#sendDelayMaxMs,
      fromMs,
      toMs,
      verdict: this.#verifier.verdict(),
    };
  }
}

function copiesOf(records: number, pluginsOf: (serial: number) => readonly number[]): number {
  let copies = 0;
  for (let serial = 0; serial < records; serial++) copies += pluginsOf(serial).length;
  return copies;
}
