import { withDeadline } from "@plugboard/runtime";
import type { ParkedCopy } from "../domain/parked-record.ts";
import type { Membership } from "../domain/ports.ts";
import { nextRound, type Part } from "../domain/produce-round.ts";
import type { CommittedCursors } from "../domain/return-cursors.ts";
import type { BatchProducer } from "./batch-producer.ts";
import { partitionOf } from "./partition-of.ts";
import { MESSAGE_TOO_LARGE, type PartAnswer } from "./produce-answer.ts";
import type { TopicDirectory } from "./topic-directory.ts";

/** A topic that did not take its copies. */
export interface Refusal {
  readonly topic: string;
  /** Of the first copy that it did not take. */
  readonly from: number;
  readonly why: string;
  readonly tooLarge: boolean;
  /** Resolves when the brokers have ended the transaction in which it refused: it takes nothing before. */
  readonly ended?: Promise<void>;
}

/** Where a partition of the parking topic is returned to, for the group to remember. */
export interface CursorsToCommit {
  readonly partition: number;
  readonly cursors: CommittedCursors;
  readonly membership: Membership;
}

/** Writes parked copies to their own topics. */
export interface ReturnWriter {
  /** Whether the cursors are committed with the copies, or neither is. Else the caller commits them afterwards. */
  readonly commits: boolean;
  prepare(signal: AbortSignal): Promise<void>;
  /**
   * Resolves when every copy is acknowledged, but for those of the topics that it names. One that commits writes nothing at
   * all, and commits nothing, when it names any.
   * @throws when nobody answers: what was written is unknown.
   */
  write(copies: readonly ParkedCopy[], commit: CursorsToCommit): Promise<Refusal[]>;
  /** Looks whether a topic can be written. @returns why not, or null. @throws when nobody answers. */
  whyUnwritable(topic: string): Promise<string | null>;
  stop(): Promise<void>;
}

/** Brokers tell what goes back from what is routed. */
export const RETURN_CLIENT_ID = "plugboard-router-return";
const LOOK_DEADLINE_MS = 10_000;

/** @throws when no broker answers. */
export async function whyUnwritable(
  topic: string,
  producer: BatchProducer,
  directory: TopicDirectory,
): Promise<string | null> {
  if (directory.partitions(topic) !== undefined) return null;
  const state = await withDeadline(directory.look(producer.client, topic), LOOK_DEADLINE_MS, `${topic} is not known`);
  if (state === undefined || state.kind === "writable") return null;
  if (state.kind === "unwritable") return state.why;
  throw state.error;
}

export interface SendOptions {
  readonly producer: BatchProducer;
  readonly directory: TopicDirectory;
  /** Topics whose copies are sent one by one. */
  readonly isNarrow: (topic: string) => boolean;
  /** Whether nothing is worth sending any more once a topic has refused. */
  readonly stopsAtRefusal: boolean;
  readonly beforeRound: (parts: readonly Part<ParkedCopy>[]) => Promise<void>;
}

/**
 * Sends copies round by round, in their order, until a topic refuses; its copies are left out from there on. Every topic has
 * been looked at.
 * @throws when no broker answers.
 */
export async function sendCopies(
  copies: readonly ParkedCopy[],
  { producer, directory, isNarrow, stopsAtRefusal, beforeRound }: SendOptions,
): Promise<Refusal[]> {
  const refused = new Map<string, Refusal>();
  let queue = copies;
  while (queue.length > 0 && !(stopsAtRefusal && refused.size > 0)) {
    const later: ParkedCopy[] = [];
    const alone = new Set<string>();
    const round = nextRound(queue, (copy) => {
      const { topic } = copy.record;
      const refusal = refused.get(topic);
      if (refusal !== undefined) {
        // Of copies sent one by one, an earlier one may be left behind a later one that was refused.
        if (copy.offset < refusal.from) refused.set(topic, { ...refusal, from: copy.offset });
        return "elsewhere";
      }
      const partition = partitionOf(copy.record, directory.partitions(topic) ?? unknown(topic));
      if (!isNarrow(topic)) return partition;
      const place = `${topic}/${partition}`;
      if (alone.has(place)) {
        later.push(copy);
        return "elsewhere";
      }
      alone.add(place);
      return partition;
    });
    queue = [...later, ...queue.slice(round.taken)];
    if (round.records === 0) continue;
    await beforeRound(round.parts);
    const answers = await producer.send(round, directory);
    for (const refusal of refusalsOf(round.parts, answers)) {
      const before = refused.get(refusal.topic);
      if (before === undefined || refusal.from < before.from) refused.set(refusal.topic, refusal);
    }
  }
  return [...refused.values()];
}

/** A broker that does not answer is its topics' trouble only while others do. */
function refusalsOf(parts: readonly Part<ParkedCopy>[], answers: readonly PartAnswer[]): Refusal[] {
  const [first] = answers;
  if (first?.kind === "unknown" && answers.every(({ kind }) => kind === "unknown")) throw first.error;
  return parts.flatMap(({ topic, items }, index) => {
    const answer = answers[index] as PartAnswer;
    const from = items[0]?.offset ?? 0;
    switch (answer.kind) {
      case "acknowledged":
        return [];
      case "refused":
        return [{ topic, from, why: answer.why, tooLarge: answer.code === MESSAGE_TOO_LARGE }];
      case "unknown":
        return [{ topic, from, why: answer.error.message, tooLarge: false }];
      default:
        return answer satisfies never;
    }
  });
}

function unknown(topic: string): never {
  throw new Error(`the partition count of ${topic} is not known any more`);
}
