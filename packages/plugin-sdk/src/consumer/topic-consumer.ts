import type { Lane } from "@plugboard/contract";
import type { Admin, Consumer, EachBatchPayload, KafkaClient, KafkaMessage } from "@plugboard/kafka";
import { type Clock, type Component, type Logger, SparseLog } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, retry } from "cockatiel";
import type { FairPool } from "../delivery/fair-pool.ts";
import type { HandOver } from "../delivery/hand-over.ts";
import type { QuickCall } from "../delivery/quick-attempts.ts";
import { type MalformedRecord, type Received, receive } from "../delivery/received.ts";
import { assertTopic } from "./assert-topic.ts";
import { beginWindow } from "./begin-window.ts";
import { OffsetWindow } from "./offset-window.ts";
import { PartitionAges } from "./partition-ages.ts";
import { recordCopy } from "./record-copy.ts";
import { type ReliefParts, relieveWindow } from "./relieve-window.ts";
import { WindowItem, type WindowParts } from "./window-item.ts";

export interface TopicConsumerParts {
  readonly kafka: KafkaClient;
  readonly admin: Admin;
  readonly lane: Lane;
  /** The lane's. */
  readonly topic: string;
  readonly groupId: string;
  readonly sessionTimeoutMs: number;
  readonly plugin: string;
  readonly flatSource: string;
  readonly pool: FairPool;
  /** Calls handlers that may be done at once; null for a plugin whose deliveries all have to be recorded or gathered. */
  readonly quick: ((received: Received) => QuickCall | null) | null;
  readonly attempt: (received: Received, signal: AbortSignal) => Promise<void>;
  readonly refuse: (malformed: MalformedRecord) => Promise<void>;
  readonly handOver: HandOver;
  /** Resolves when there is room in the due-time table. */
  readonly room: (signal: AbortSignal) => Promise<void>;
  /** Resolves when the outcomes reported so far are published, or have had their time. */
  readonly flush: () => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly draining: AbortSignal;
  readonly stopping: AbortSignal;
}

/** Partitions whose windows are worked on at once; each window holds at most WINDOW_BYTES_MAX. */
const PARTITIONS_AT_ONCE = 8;
const WINDOW_BYTES_MAX = 1024 * 1024;
/** How long an empty fetch stays with the broker: a drain waits for it. */
const FETCH_WAIT_MS_MAX = 500;
/** How often a window under way sends a heartbeat and commits what is contiguously done. */
const TEND_EVERY_MS = 1_000;
const RESTART_DELAY_MS_MAX = 10_000;

/**
 * Reads the topic of one of the plugin's lanes in windows (what one fetch brought of one partition).
 *
 *   fetch ──► every delivery into the pool ──► settled or stored ──► offset of the contiguous part ──► commit
 *                     └─ its team is late ──► handed over to the due-time table: also stored
 *
 * While a window is worked on, heartbeats go on, so a slow handler does not cost the partition. On a rebalance or a drain
 * nothing new is begun; what has begun is finished; only what is done is committed, and the rest comes again.
 */
export class TopicConsumer implements Component {
  readonly name: string;
  readonly lane: Lane;
  /** Why nothing is consumed at this moment; null when the group has let this instance in. */
  problem: string | null = "not started";
  /** What its partitions hold, for the metrics. */
  readonly ages = new PartitionAges();
  readonly #parts: TopicConsumerParts;
  readonly #log: SparseLog;
  readonly #relief: ReliefParts;
  /** Attempts that go on beside their window: at most as many as the pool has places. */
  readonly #beside = new Set<Promise<void>>();
  #work: Promise<void> = Promise.resolve();

  constructor(parts: TopicConsumerParts) {
    this.#parts = parts;
    this.lane = parts.lane;
    this.name = parts.lane === "live" ? "consumer" : `consumer-${parts.lane}`;
    this.#log = new SparseLog(parts.logger, parts.clock);
    this.#relief = { ...parts, log: this.#log };
  }

  /** Returns at once: the topic may not be there before the plugin is registered. */
  async start(): Promise<void> {
    this.#work = this.#run();
  }

  /** To be called after `draining` has aborted. */
  async stop(): Promise<void> {
    await this.#work;
    await Promise.all(this.#beside);
  }

  async #run(): Promise<void> {
    const { draining, kafka, topic, groupId: group } = this.#parts;
    const policy = retry(handleAll, {
      backoff: new ExponentialBackoff({ initialDelay: 250, maxDelay: RESTART_DELAY_MS_MAX }),
    });
    policy.onFailure(({ reason }) => {
      this.problem = "error" in reason ? kafka.why(reason.error, { topic, group }) : "stopped";
      if (!draining.aborted) this.#log.warn({ reason: this.problem, topic, group }, "not consuming; trying again");
    });
    try {
      await policy.execute(() => this.#session(), draining);
    } catch (error) {
      if (!draining.aborted) throw error;
    }
    this.problem = "stopped";
  }

  /** One consumer, from connecting until the drain (returns) or a crash that kafkajs does not mend (throws). */
  async #session(): Promise<void> {
    const { kafka, admin, topic, groupId, sessionTimeoutMs, draining } = this.#parts;
    if (draining.aborted) return;
    await assertTopic(admin, topic);
    const consumer = kafka.consumer({
      groupId,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: Math.round(sessionTimeoutMs / 10),
      maxBytesPerPartition: WINDOW_BYTES_MAX,
      maxWaitTimeInMs: FETCH_WAIT_MS_MAX,
      allowAutoTopicCreation: false,
    });
    const ended = this.#watch(consumer);
    try {
      await consumer.connect();
      // A new group starts at the oldest record: what was routed before its first instance came is not lost.
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
        eachBatch: (payload) => this.#window(payload),
      });
      await ended;
    } finally {
      this.problem = "disconnected";
      await consumer.stop().catch(() => {});
      await consumer.disconnect().catch(() => {});
    }
  }

  /** Resolves at the drain, rejects at a crash that kafkajs does not restart from. */
  #watch(consumer: Consumer): Promise<void> {
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      this.problem = null;
      this.ages.assigned(payload.memberAssignment[this.#parts.topic] ?? []);
    });
    consumer.on(consumer.events.REBALANCING, () => {
      this.problem = "rebalancing";
    });
    const ended = new Promise<void>((resolve, reject) => {
      this.#parts.draining.addEventListener("abort", () => resolve(), { once: true });
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        this.problem = this.#parts.kafka.why(payload.error, {
          topic: this.#parts.topic,
          group: this.#parts.groupId,
        });
        if (!payload.restart) reject(payload.error);
      });
    });
    // Awaited later; a rejection before that is not unhandled.
    ended.catch(() => {});
    return ended;
  }

  async #window(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const { flush, clock, handOver } = this.#parts;
    const behind = Number(batch.offsetLag());
    this.ages.begun(
      batch.partition,
      Number(batch.messages[0]?.timestamp ?? clock.now()),
      batch.messages.length,
      behind,
    );
    const window = new OffsetWindow(batch.messages.map(({ offset }) => offset));
    const halt = new AbortController();
    const over = new AbortController();
    const tending = this.#tend(payload, window, over.signal).catch((error: unknown) => halt.abort(error));
    // Asked once per team: of two records of a response the second must not be stored while the first is queued.
    const asked = new Map<string, boolean>();
    const atOnce = (team: string) => {
      const known = asked.get(team) ?? this.#parts.handOver.atOnce(team);
      asked.set(team, known);
      return known;
    };
    const items: WindowItem[] = [];
    const allLeft = Promise.withResolvers<void>();
    let open = true;
    let here = 0;
    const parts: WindowParts = {
      handOver,
      done: (index) => window.done(index),
      failed: (error) => halt.abort(error),
      left: () => {
        here -= 1;
        if (here === 0 && !open) allLeft.resolve();
      },
      beside: (attempt) => this.#keepBeside(attempt),
    };
    const add = (item: () => WindowItem) => {
      here += 1;
      items.push(item());
    };
    await beginWindow(batch.messages.length, {
      ...this.#parts,
      record: (index) => this.#receive(batch, batch.messages[index] as KafkaMessage),
      halted: () => this.#parts.draining.aborted || halt.signal.aborted || !payload.isRunning() || payload.isStale(),
      done: (index) => window.done(index),
      takeOver: (begun, index) => add(() => this.#takeOver(begun, index, parts)),
      place: (record, index) => add(() => this.#begin(payload, record, index, parts, halt, atOnce)),
    });
    open = false;
    const relieving = relieveWindow(items, this.#relief, halt.signal, over.signal);
    if (here > 0) await allLeft.promise;
    over.abort();
    await Promise.all([tending, relieving]);
    await flush();
    await this.#commit(payload, window);
    if (!halt.signal.aborted && payload.isRunning() && !payload.isStale()) this.ages.done(batch.partition, clock.now());
    if (halt.signal.aborted && !this.#parts.draining.aborted) throw halt.signal.reason;
  }

  #receive({ topic, partition }: EachBatchPayload["batch"], message: KafkaMessage): Received | MalformedRecord {
    const { plugin, flatSource, lane } = this.#parts;
    return receive(recordCopy(message, topic, partition), plugin, flatSource, lane);
  }

  /** A call that has begun goes on in a place of the pool. */
  #takeOver(begun: QuickCall, index: number, window: WindowParts): WindowItem {
    const { pool, stopping, lane } = this.#parts;
    const { received: delivery } = begun;
    const work = async () => {
      await begun.takeOver(stopping);
      return true;
    };
    const { done } = pool.submit(delivery.event.teamId, delivery.orderKey, work, lane);
    // Its handler has been called: it cannot be taken back, to be called a second time.
    return new WindowItem(window, { index, delivery, task: { done, withdraw: () => false } });
  }

  #begin(
    payload: EachBatchPayload,
    item: Received | MalformedRecord,
    index: number,
    window: WindowParts,
    halt: AbortController,
    atOnce: (team: string) => boolean,
  ): WindowItem {
    const { lane, pool, attempt, refuse, room, draining, stopping } = this.#parts;
    const delivery = item.kind === "delivery" ? item : null;
    const team = delivery?.event.teamId ?? "";
    const work = async () => {
      await room(draining).catch(() => {});
      if (draining.aborted || halt.signal.aborted || !payload.isRunning() || payload.isStale()) return false;
      if (item.kind === "delivery") await attempt(item, stopping);
      else await refuse(item);
      return true;
    };
    return new WindowItem(window, {
      index,
      delivery,
      task: delivery !== null && atOnce(team) ? null : pool.submit(team, delivery?.orderKey ?? null, work, lane),
    });
  }

  #keepBeside(attempt: Promise<void>): void {
    const kept: Promise<void> = attempt
      .catch((error: Error) => this.#log.warn({ reason: error.message }, "an attempt was left; it comes again"))
      .finally(() => this.#beside.delete(kept));
    this.#beside.add(kept);
  }

  async #tend(payload: EachBatchPayload, window: OffsetWindow, over: AbortSignal): Promise<void> {
    let committed: string | null = null;
    while (!over.aborted) {
      await this.#parts.clock.sleep(TEND_EVERY_MS, over).catch(() => {});
      if (over.aborted) return;
      await payload.heartbeat();
      if (window.lastDone() === committed) continue;
      committed = window.lastDone();
      await this.#commit(payload, window);
    }
  }

  async #commit(payload: EachBatchPayload, window: OffsetWindow): Promise<void> {
    const last = window.lastDone();
    if (last === null) return;
    payload.resolveOffset(last);
    await payload.commitOffsetsIfNecessary(payload.uncommittedOffsets());
  }
}
