import { Group } from "./group.ts";
import type { Answer } from "./network.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { World } from "./world.ts";

const COORDINATOR_LOAD_IN_PROGRESS = 14;
const NOT_COORDINATOR = 16;
/** How long another broker reads the group's state before it answers for it. */
const LOADING_MS_MAX = 800;

type Errors = Record<string, readonly [number, string | null]>;
type Answered = (answer: Answer) => void;

export interface Committed {
  readonly partition: number;
  readonly offset: number;
  readonly process: SimulatedProcess;
}

/** Requests that only the group's coordinator answers. */
type GroupRequest = "OffsetCommit" | "OffsetFetch" | "JoinGroup" | "SyncGroup" | "Heartbeat" | "LeaveGroup";

/** The one group's coordinator, on whichever broker it is. */
export class Coordinator {
  readonly group: Group;
  /** The group's, of the topic of events. */
  readonly offsets = new Map<number, number>();
  readonly #world: World;
  readonly #onCommitted: (committed: Committed) => void;
  #node = 1;
  #loading = false;

  constructor(world: World, onCommitted: (committed: Committed) => void) {
    this.#world = world;
    this.#onCommitted = onCommitted;
    this.group = new Group(world);
  }

  /** The broker that it is on. */
  get node(): number {
    return this.#node;
  }

  moveTo(node: number): void {
    if (node === this.#node) return;
    this.#node = node;
    this.#loading = true;
    this.#world.at(this.#world.chance.between(10, LOADING_MS_MAX), null, () => {
      this.#loading = false;
      this.group.movedOn();
    });
  }

  find(keys: readonly string[]): Answer {
    const nodeId = this.#node;
    const coordinators = keys.map((key) => ({ key, nodeId, host: `broker-${nodeId}`, port: 9092, errorCode: 0 }));
    return { response: { throttleTimeMs: 0, coordinators }, errors: {} };
  }

  /** @param node the broker that was asked. */
  handle(
    name: GroupRequest,
    node: number,
    args: readonly unknown[],
    process: SimulatedProcess,
    answer: Answered,
  ): void {
    const problem = this.#problem(node);
    const { group } = this;
    switch (name) {
      case "JoinGroup": {
        if (problem !== 0) {
          answer(failed(problem));
          return;
        }
        const [, sessionMs, rebalanceMs, memberId, , , protocols] = args as JoinArguments;
        const { name: protocolName = "", metadata = Buffer.alloc(0) } = protocols[0] ?? {};
        group.join({ memberId, metadata, sessionMs, rebalanceMs }, (joined) =>
          answer(withCode({ ...joined, protocolType: "consumer", protocolName, skipAssignment: false })),
        );
        return;
      }
      case "SyncGroup": {
        if (problem !== 0) {
          answer(failed(problem));
          return;
        }
        const [, generation, memberId, , , , assignments] = args as SyncArguments;
        group.sync(memberId, generation, assignments, (synced) => answer(withCode(synced)));
        return;
      }
      case "Heartbeat": {
        const [, generation, memberId] = args as readonly [string, number, string];
        answer(withCode({ errorCode: problem || group.heartbeat(memberId, generation) }));
        return;
      }
      case "LeaveGroup": {
        const [, members] = args as readonly [string, readonly { readonly memberId: string }[]];
        answer(withCode({ errorCode: problem || group.leave(members[0]?.memberId ?? ""), members: [] }));
        return;
      }
      case "OffsetFetch":
        answer(this.#offsetFetch(problem, args[0] as readonly FetchedGroup[]));
        return;
      case "OffsetCommit":
        answer(this.#offsetCommit(problem, args as CommitArguments, process));
        return;
      default:
        name satisfies never;
    }
  }

  #problem(node: number): number {
    if (node !== this.#node) return NOT_COORDINATOR;
    return this.#loading ? COORDINATOR_LOAD_IN_PROGRESS : 0;
  }

  #offsetFetch(errorCode: number, groups: readonly FetchedGroup[]): Answer {
    const [asked] = groups;
    const topics = (asked?.topics ?? []).map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((partitionIndex) => {
        const committedOffset = BigInt(this.offsets.get(partitionIndex) ?? -1);
        return { partitionIndex, committedOffset, committedLeaderEpoch: -1, metadata: null, errorCode: 0 };
      }),
    }));
    const errors: Errors = errorCode === 0 ? {} : { "/groups/0": [errorCode, null] };
    return { response: { throttleTimeMs: 0, groups: [{ groupId: asked?.groupId, topics, errorCode }] }, errors };
  }

  #offsetCommit(problem: number, args: CommitArguments, process: SimulatedProcess): Answer {
    const [, generation, memberId, , topics] = args;
    const errorCode = problem || this.group.mayCommit(memberId, generation);
    const errors: Errors = {};
    const answered = topics.map(({ name, partitions }, at) => ({
      name,
      partitions: partitions.map(({ partitionIndex, committedOffset }, place) => {
        if (errorCode !== 0) errors[`/topics/${at}/partitions/${place}`] = [errorCode, null];
        else {
          this.offsets.set(partitionIndex, Number(committedOffset));
          this.#onCommitted({ partition: partitionIndex, offset: Number(committedOffset), process });
        }
        return { partitionIndex, errorCode };
      }),
    }));
    return { response: { throttleTimeMs: 0, topics: answered }, errors };
  }
}

interface FetchedGroup {
  readonly groupId: string;
  readonly topics: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[];
}

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
  topics: readonly {
    readonly name: string;
    readonly partitions: readonly { readonly partitionIndex: number; readonly committedOffset: bigint }[];
  }[],
];

function failed(errorCode: number): Answer {
  return withCode({ errorCode });
}

function withCode<R extends { readonly errorCode: number }>(response: R): Answer {
  return { response, errors: response.errorCode === 0 ? {} : { "/": [response.errorCode, null] } };
}
