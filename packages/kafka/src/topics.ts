import { DERIVED_HEADROOM_BYTES, RECORD_BYTES_MAX } from "@plugboard/contract";
import type { Admin } from "kafkajs";

/** A topic as it should be. */
export interface TopicSpec {
  readonly topic: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  /** How long records are kept, milliseconds. */
  readonly retentionMs: number;
  /** Largest record batch, bytes. */
  readonly messageBytesMax?: number;
}

export const DAY_MS = 86_400_000;

/** A topic derived from `responses` takes its largest record plus the headers added on the way. */
export const DERIVED_MESSAGE_BYTES_MAX = RECORD_BYTES_MAX + DERIVED_HEADROOM_BYTES;

/**
 * Creates the topics that do not exist yet; harmless when two do it at once. Existing ones are left as they are.
 * @returns the names of those it created.
 */
export async function ensureTopics(admin: Admin, specs: readonly TopicSpec[]): Promise<string[]> {
  const existing = new Set(await admin.listTopics());
  const missing = specs.filter(({ topic }) => !existing.has(topic));
  const created = await Promise.all(missing.map(async (spec) => ((await create(admin, spec)) ? [spec.topic] : [])));
  return created.flat();
}

async function create(admin: Admin, spec: TopicSpec): Promise<boolean> {
  return await admin.createTopics({
    waitForLeaders: true,
    timeout: 10_000,
    topics: [
      {
        topic: spec.topic,
        numPartitions: spec.partitions,
        replicationFactor: spec.replicationFactor,
        configEntries: [
          { name: "retention.ms", value: String(spec.retentionMs) },
          { name: "max.message.bytes", value: String(spec.messageBytesMax ?? DERIVED_MESSAGE_BYTES_MAX) },
        ],
      },
    ],
  });
}
