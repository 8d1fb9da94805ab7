import { assignedPartitions } from "../../src/adapters/group-assignments.ts";
import { type Answered, type Errors, eachPartition, fine, withCode } from "./answers.ts";
import { Group } from "./group.ts";
import { ERROR } from "./kafka-errors.ts";
import type { Answer } from "./network.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { EndedTransaction } from "./transaction-coordinator.ts";
import type { World } from "./world.ts";

/** What a group committed. */
export interface Committed {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** What a process was given by its group. */
export interface Assigned {
  readonly group: string;
  readonly process: SimulatedProcess;
  readonly topic: string;
  readonly partitions: readonly number[];
}

interface StoredOffset {
  readonly offset: number;
  readonly metadata: string | null;
  /** When it was asked for, among all that were: the latest counts, whenever its transaction ends. */
  readonly order: number;
}

/** Of one group: offsets by `topic/partition`. */
interface GroupState {
  readonly group: Group;
  readonly offsets: Map<string, StoredOffset>;
  /** What transactions that have not ended move them to, by producer. */
  readonly pending: Map<bigint, Map<string, StoredOffset>>;
}

/** Requests that only a group's coordinator answers. */
const REQUESTS = [
  "OffsetCommit",
  "OffsetFetch",
  "JoinGroup",
  "SyncGroup",
  "Heartbeat",
  "LeaveGroup",
  "DescribeGroups",
  "TxnOffsetCommit",
] as const;
export type GroupRequest = (typeof REQUESTS)[number];

export function isGroupRequest(name: string): name is GroupRequest {
  return (REQUESTS as readonly string[]).includes(name);
}

export interface CoordinatorOptions {
  readonly world: World;
  /** Topics that groups read. */
  readonly topics: Iterable<string>;
  readonly onCommitted: (committed: Committed) => void;
  readonly onAssigned: (assigned: Assigned) => void;
  /** Whether a transaction that goes on moves a group's offsets. @returns the error code. */
  readonly mayMove: (owner: readonly [id: string, producerId: bigint, epoch: number], group: string) => number;
}

/** Consumer groups and their offsets, as their coordinator keeps them. */
export class GroupCoordinator {
  readonly #options: CoordinatorOptions;
  readonly #groups = new Map<string, GroupState>();
  #commits = 0;

  constructor(options: CoordinatorOptions) {
    this.#options = options;
  }

  /** What a group has committed of a partition; undefined when nothing. */
  committed(group: string, topic: string, partition: number): StoredOffset | undefined {
    return this.#groups.get(group)?.offsets.get(`${topic}/${partition}`);
  }

  /** Another broker keeps them now. */
  movedOn(): void {
    for (const { group } of this.#groups.values()) group.movedOn();
  }

  endTransaction(groupId: string, { producerId, committed }: EndedTransaction): void {
    const state = this.#state(groupId);
    const moved = state.pending.get(producerId) ?? new Map<string, StoredOffset>();
    state.pending.delete(producerId);
    if (committed) for (const [place, stored] of moved) this.#store(groupId, state, place, stored);
  }

  /** @param problem of the broker that was asked: an error code, or 0. */
  handle(
    name: GroupRequest,
    problem: number,
    args: readonly unknown[],
    process: SimulatedProcess,
    answer: Answered,
  ): void {
    // Of those that name it first.
    const groupId = String(args[0]);
    const membership = () => this.#state(groupId).group;
    if (problem !== 0 && !name.includes("Offset")) {
      answer(withCode({ errorCode: problem }));
      return;
    }
    switch (name) {
      case "OffsetFetch":
        answer(this.#offsetFetch(problem, args as FetchArguments));
        return;
      case "OffsetCommit":
        answer(this.#offsetCommit(problem, args as CommitArguments));
        return;
      case "TxnOffsetCommit":
        answer(this.#txnOffsetCommit(problem, args as TxnCommitArguments));
        return;
      case "JoinGroup": {
        const [, sessionMs, rebalanceMs, memberId, instanceId, , protocols] = args as JoinArguments;
        const { name: protocolName = "", metadata = Buffer.alloc(0) } = protocols[0] ?? {};
        const request = { memberId, instanceId, metadata, sessionMs, rebalanceMs };
        membership().join(request, (joined) =>
          answer(withCode({ ...joined, protocolType: "consumer", protocolName, skipAssignment: false })),
        );
        return;
      }
      case "SyncGroup": {
        const [, generation, memberId, instanceId, , , assignments] = args as SyncArguments;
        membership().sync({ memberId, generation, instanceId }, assignments, (synced) => {
          if (synced.errorCode === 0) this.#assigned(groupId, process, synced.assignment);
          answer(withCode(synced));
        });
        return;
      }
      case "Heartbeat": {
        const [, generation, memberId, instanceId] = args as readonly [string, number, string, string | null];
        answer(withCode({ errorCode: membership().heartbeat({ memberId, generation, instanceId }) }));
        return;
      }
      case "LeaveGroup": {
        const [, members] = args as readonly [string, readonly { readonly memberId: string }[]];
        answer(withCode({ errorCode: membership().leave(members[0]?.memberId ?? ""), members: [] }));
        return;
      }
      case "DescribeGroups": {
        const groups = (args[0] as readonly string[]).map((id) => this.#state(id).group.described(id));
        answer(fine({ throttleTimeMs: 0, groups }));
        return;
      }
      default:
        name satisfies never;
    }
  }

  #assigned(group: string, process: SimulatedProcess, assignment: Buffer): void {
    for (const topic of this.#options.topics) {
      const partitions = assignedPartitions(assignment, topic);
      this.#options.onAssigned({ group, process, topic, partitions });
    }
  }

  #state(groupId: string): GroupState {
    let state = this.#groups.get(groupId);
    if (state === undefined) {
      state = { group: new Group(this.#options.world), offsets: new Map(), pending: new Map() };
      this.#groups.set(groupId, state);
    }
    return state;
  }

  #store(group: string, { offsets }: GroupState, place: string, stored: StoredOffset): void {
    if ((offsets.get(place)?.order ?? 0) > stored.order) return;
    offsets.set(place, stored);
    const [topic = "", partition = ""] = place.split("/");
    this.#options.onCommitted({ group, topic, partition: Number(partition), offset: stored.offset });
  }

  /** Offsets that a transaction is about to move are told to nobody who asks for stable ones. */
  #offsetFetch(problem: number, [groups, requireStable]: FetchArguments): Answer {
    const errors: Errors = {};
    const answered = groups.map(({ groupId, topics: asked }, at) => {
      const { offsets, pending } = this.#state(groupId);
      if (problem !== 0) errors[`/groups/${at}`] = [problem, null];
      const named = asked.map(({ name, partitionIndexes }) => ({ name, partitions: partitionIndexes }));
      const { topics, errors: inTopics } = eachPartition(
        named,
        (topic, partition) => `/groups/${at}/topics/${topic}/partitions/${partition}`,
        (name, partitionIndex: number) => {
          const place = `${name}/${partitionIndex}`;
          const unstable = requireStable && [...pending.values()].some((moved) => moved.has(place));
          const { offset = -1, metadata = null } = offsets.get(place) ?? {};
          return {
            partitionIndex,
            committedOffset: BigInt(unstable ? -1 : offset),
            committedLeaderEpoch: -1,
            metadata,
            errorCode: unstable ? ERROR.UNSTABLE_OFFSET_COMMIT : ERROR.NONE,
          };
        },
      );
      Object.assign(errors, inTopics);
      return { groupId, topics, errorCode: problem };
    });
    return { response: { throttleTimeMs: 0, groups: answered }, errors };
  }

  #offsetCommit(problem: number, [groupId, generation, memberId, instanceId, topics]: CommitArguments): Answer {
    const state = this.#state(groupId);
    const errorCode = problem || state.group.mayCommit({ memberId, generation, instanceId });
    return this.#taken(errorCode, topics, (place, stored) => this.#store(groupId, state, place, stored));
  }

  #txnOffsetCommit(problem: number, args: TxnCommitArguments): Answer {
    const [id, groupId, producerId, epoch, generation, memberId, instanceId, topics] = args;
    const state = this.#state(groupId);
    const errorCode =
      problem ||
      state.group.mayCommitInTransaction({ memberId, generation, instanceId }) ||
      this.#options.mayMove([id, producerId, epoch], groupId);
    const moved = state.pending.get(producerId) ?? new Map<string, StoredOffset>();
    if (errorCode === 0) state.pending.set(producerId, moved);
    return this.#taken(errorCode, topics, (place, stored) => void moved.set(place, stored));
  }

  #taken(errorCode: number, asked: CommittedTopics, take: (place: string, stored: StoredOffset) => void): Answer {
    const { topics, errors } = eachPartition(
      asked,
      (topic, partition) => `/topics/${topic}/partitions/${partition}`,
      (name, { partitionIndex, committedOffset, committedMetadata = null }: CommittedPartition) => {
        if (errorCode === 0) {
          this.#commits += 1;
          const stored = { offset: Number(committedOffset), metadata: committedMetadata, order: this.#commits };
          take(`${name}/${partitionIndex}`, stored);
        }
        return { partitionIndex, errorCode };
      },
    );
    return { ...fine({ throttleTimeMs: 0, topics }), errors };
  }
}

interface CommittedPartition {
  readonly partitionIndex: number;
  readonly committedOffset: bigint;
  readonly committedMetadata?: string | null;
}

type CommittedTopics = readonly { readonly name: string; readonly partitions: readonly CommittedPartition[] }[];
type FetchArguments = readonly [
  groups: readonly {
    readonly groupId: string;
    readonly topics: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[];
  }[],
  requireStable: boolean,
];
type JoinArguments = readonly [
  groupId: string,
  sessionMs: number,
  rebalanceMs: number,
  memberId: string,
  instanceId: string | null,
  type: string,
  protocols: readonly { readonly name: string; readonly metadata: Buffer }[],
];
type SyncArguments = readonly [
  groupId: string,
  generation: number,
  memberId: string,
  instanceId: string | null,
  type: string,
  protocol: string,
  assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[],
];
type CommitArguments = readonly [
  groupId: string,
  generation: number,
  memberId: string,
  instanceId: string | null,
  topics: CommittedTopics,
];
type TxnCommitArguments = readonly [
  transactionalId: string,
  groupId: string,
  producerId: bigint,
  epoch: number,
  generation: number,
  memberId: string,
  instanceId: string | null,
  topics: CommittedTopics,
];
