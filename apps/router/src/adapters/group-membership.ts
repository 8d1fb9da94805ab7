import { Consumer, type ConsumerGroupJoinPayload } from "@platformatic/kafka";
import { type KafkaSettings, type Logger, withDeadline } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, type IPolicy, retry } from "cockatiel";
import type { Membership } from "../domain/ports.ts";
import { assignedCount } from "./group-assignments.ts";
import { connectionOptions, whyNotReached } from "./kafka-connection.ts";

/** A member that is silent for this long is dead: its partitions go to others. */
const SESSION_TIMEOUT_MS = 10_000;
const HEARTBEAT_INTERVAL_MS = 1_000;
/** How long a rebalance waits for members to join; below the request deadline, for JoinGroup blocks that long. */
const REBALANCE_TIMEOUT_MS = 20_000;
/** How often the topic is looked at for new partitions. */
const PARTITIONS_CHECK_MS = 5_000;
/** Without a heartbeat for this long, and no join answered, the client is taken to have given up: join again. */
const SILENCE_MS_MAX = 30_000;
/** How long a stop waits for a join under way: others have a second to hear of it, and some more to let go. */
const JOIN_SETTLES_MS_MAX = 4_000;

export interface GroupMembershipOptions {
  readonly kafka: KafkaSettings;
  readonly groupId: string;
  readonly topic: string;
  /** Static membership: a restart under the same id within the session gets the same partitions without a rebalance. */
  readonly instanceId: string | undefined;
  readonly logger: Logger;
  /** Called before every join, while the group waits: finish and commit, then let go of all partitions. */
  readonly onRevoke: () => Promise<void>;
  readonly onAssign: (partitions: readonly number[], membership: Membership) => void;
  /** How long a stop waits for a join under way, milliseconds. */
  readonly joinSettlesMsMax?: number;
}

/**
 * Membership in the consumer group, by the classic protocol (offsets in transactions need it).
 *
 *   joining ──assigned──► member ──group rebalances / kicked out──► onRevoke ──► joining
 *      ▲                     │
 *      └── client gave up ◄──┘   ('error', or silent for too long: the client joins again by itself only sometimes)
 *
 * The client sends JoinGroup right after it learns of a rebalance; its `protocolsMetadata` hook is the one place where it
 * waits before that, so letting go of partitions happens there. The hook's answer is this topic's partition count, so
 * that a join after partitions were added differs from the last one and makes the group rebalance. A static member that
 * takes its place again makes no rebalance, whatever it says: so it asks whether the group has all partitions there are.
 *
 * The client's own retries are off (`retries: 0`): a failed commit would otherwise rejoin and commit again by itself,
 * from inside the hook too.
 */
export class GroupMembership {
  readonly consumer: Consumer;
  readonly #options: GroupMembershipOptions;
  readonly #stopped = new AbortController();
  readonly #joinPolicy: IPolicy;
  #joining: Promise<void> | undefined;
  #generation = -1;
  #partitionCount = 0;
  /** Whether it may have been given its place as it was before partitions were added. */
  #unsure = false;
  /** Joins that were made for that: each differs from the one before. */
  #corrections = 0;
  #assigned = false;
  #timers: NodeJS.Timeout[] = [];
  #lastSign = performance.now();

  constructor(options: GroupMembershipOptions) {
    this.#options = options;
    this.consumer = new Consumer({
      ...connectionOptions(options.kafka, "plugboard-router"),
      groupId: options.groupId,
      ...(options.instanceId !== undefined && { groupInstanceId: options.instanceId }),
      groupProtocol: "classic",
      sessionTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_INTERVAL_MS,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      protocols: [{ name: "roundrobin", version: 1 }],
      protocolsMetadata: (_protocols, _topics, metadata) => this.#beforeJoin(metadata.topics.get(options.topic)),
      retries: 0,
    });
    this.#joinPolicy = retry(handleAll, {
      maxAttempts: Number.MAX_SAFE_INTEGER,
      backoff: new ExponentialBackoff({ initialDelay: 100, maxDelay: 3_000 }),
    });
  }

  /** True while this process is a member with an answer to what it is assigned, even if that is nothing. */
  get joined(): boolean {
    return this.#assigned && this.consumer.isActive();
  }

  async start(): Promise<void> {
    const { consumer } = this;
    consumer.topics.track(this.#options.topic);
    consumer.on("consumer:group:join", (payload: ConsumerGroupJoinPayload) => this.#onJoin(payload));
    consumer.on("error", (error: Error) => this.#onGivenUp(error));
    consumer.on("consumer:heartbeat:end", () => this.#sign());
    this.#timers = [
      setInterval(() => void this.#checkPartitions(), PARTITIONS_CHECK_MS),
      setInterval(() => this.#checkSilence(), HEARTBEAT_INTERVAL_MS),
    ];
    await this.#join();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    for (const timer of this.#timers) clearInterval(timer);
    // Before it is answered nobody here knows which member that is: it could not leave, and would be given partitions all the same.
    const joining = this.#joining ?? Promise.resolve();
    const settlesMs = this.#options.joinSettlesMsMax ?? JOIN_SETTLES_MS_MAX;
    await withDeadline(joining, settlesMs, "a join was not answered").catch(() => {});
    try {
      await this.consumer.leaveGroup(true);
    } catch (error) {
      this.#options.logger.warn({ error }, "leaving the group failed: the partitions move when the session times out");
    }
    await this.consumer.close(true);
  }

  /** Joins, however often it takes. Overlapping calls share one attempt. */
  #join(): Promise<void> {
    this.#joining ??= this.#joinPolicy
      .execute(async () => {
        if (this.#stopped.signal.aborted) return;
        try {
          await this.consumer.joinGroup({});
        } catch (error) {
          if (this.#stopped.signal.aborted) return;
          const { kafka, groupId: group, logger } = this.#options;
          logger.warn({ reason: whyNotReached(error, kafka), error, group }, "joining the group failed: trying again");
          throw error;
        }
      }, this.#stopped.signal)
      .then(
        () => {},
        () => {},
      )
      .finally(() => {
        this.#joining = undefined;
      });
    return this.#joining;
  }

  async #beforeJoin(topic: { partitionsCount: number } | undefined): Promise<Buffer> {
    this.#assigned = false;
    this.#sign();
    await this.#options.onRevoke();
    this.#partitionCount = topic?.partitionsCount ?? 0;
    return Buffer.from(`${this.#partitionCount}${"+".repeat(this.#corrections % 2)}`);
  }

  #onJoin({ generationId = -1, memberId, assignments = [] }: ConsumerGroupJoinPayload): void {
    this.#sign();
    // Two joins that overlapped are answered twice with the same generation.
    if (this.#assigned && generationId === this.#generation) return;
    this.#generation = generationId;
    this.#assigned = true;
    this.#unsure = this.#options.instanceId !== undefined;
    const partitions = assignments
      .filter(({ topic }) => topic === this.#options.topic)
      .flatMap((item) => item.partitions);
    this.#options.logger.info(
      { group: this.#options.groupId, memberId, generationId, partitions },
      "partitions assigned",
    );
    if (!this.#stopped.signal.aborted) this.#options.onAssign(partitions, { memberId, generationId });
  }

  #onGivenUp(error: Error): void {
    if (this.#stopped.signal.aborted) return;
    this.#options.logger.warn({ error, group: this.#options.groupId }, "membership in the group lost: joining again");
    void this.#join();
  }

  #sign(): void {
    this.#lastSign = performance.now();
  }

  #checkSilence(): void {
    if (performance.now() - this.#lastSign < SILENCE_MS_MAX) return;
    this.#sign();
    this.#onGivenUp(new Error(`no heartbeat was answered for ${SILENCE_MS_MAX} ms`));
  }

  async #checkPartitions(): Promise<void> {
    if (!this.joined) return;
    try {
      const { topics } = await this.consumer.metadata({ topics: [this.#options.topic], forceUpdate: true });
      const count = topics.get(this.#options.topic)?.partitionsCount ?? 0;
      if (count === 0 || !this.joined) return;
      const before = this.#partitionCount;
      if (count === before && !(await this.#areSomeLeftOut(count))) return;
      if (!this.joined) return;
      this.#options.logger.info({ before, now: count }, "partitions were added: joining again");
      await this.#join();
    } catch (error) {
      this.#options.logger.debug({ error }, "looking for new partitions failed: the next look will tell");
    }
  }

  /** Whether the group, as it was taken over, leaves partitions to nobody. Asked until it has been answered once. */
  async #areSomeLeftOut(count: number): Promise<boolean> {
    if (!this.#unsure) return false;
    const assigned = await assignedCount(this.consumer, this.#options.topic);
    if (assigned === null) return false;
    this.#unsure = false;
    if (assigned >= count) return false;
    this.#corrections += 1;
    return true;
  }
}
