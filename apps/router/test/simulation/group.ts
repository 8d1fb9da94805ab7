import type { World } from "./world.ts";

const GROUP_ERROR = {
  ILLEGAL_GENERATION: 22,
  UNKNOWN_MEMBER_ID: 25,
  REBALANCE_IN_PROGRESS: 27,
  MEMBER_ID_REQUIRED: 79,
} as const;

interface Member {
  readonly id: string;
  metadata: Buffer;
  sessionMs: number;
  rebalanceMs: number;
  seenAt: number;
  /** Waits for the others. */
  join: ((answer: JoinAnswer) => void) | null;
  sync: ((answer: SyncAnswer) => void) | null;
  assignment: Buffer;
}

export interface JoinAnswer {
  readonly errorCode: number;
  readonly generationId: number;
  readonly leader: string;
  readonly memberId: string;
  readonly members: readonly { readonly memberId: string; readonly metadata: Buffer }[];
}

export interface SyncAnswer {
  readonly errorCode: number;
  readonly assignment: Buffer;
}

export interface JoinRequest {
  readonly memberId: string;
  readonly metadata: Buffer;
  readonly sessionMs: number;
  readonly rebalanceMs: number;
}

const NOTHING = Buffer.alloc(0);

/**
 * A consumer group as its coordinator keeps it, by the classic protocol.
 *
 *   empty ──join──► preparing ──all joined, or too late──► completing ──the leader's sync──► stable
 *                      ▲                                       │                               │
 *                      └────── a join, a leave, a member silent for its session ──────────────┘
 */
export class Group {
  readonly #world: World;
  readonly members = new Map<string, Member>();
  state: "empty" | "preparing" | "completing" | "stable" = "empty";
  generation = 0;
  #leader = "";
  #ids = 0;
  /** Counts preparations: a deadline of an earlier one means nothing. */
  #preparations = 0;
  /** Member ids that were given out and have not joined yet. */
  readonly #given = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  join(request: JoinRequest, answer: (answer: JoinAnswer) => void): void {
    const { memberId } = request;
    if (memberId === "") {
      this.#ids += 1;
      const given = `member-${this.#ids}`;
      this.#given.add(given);
      answer(this.#joinError(GROUP_ERROR.MEMBER_ID_REQUIRED, given));
      return;
    }
    let member = this.members.get(memberId);
    if (member === undefined) {
      if (!this.#given.delete(memberId)) {
        answer(this.#joinError(GROUP_ERROR.UNKNOWN_MEMBER_ID, memberId));
        return;
      }
      const { metadata, sessionMs, rebalanceMs } = request;
      const seenAt = this.#world.now;
      member = { id: memberId, metadata, sessionMs, rebalanceMs, seenAt, join: null, sync: null, assignment: NOTHING };
      this.members.set(memberId, member);
      this.#watch(member);
    } else if (this.state === "stable" && memberId !== this.#leader && member.metadata.equals(request.metadata)) {
      member.seenAt = this.#world.now;
      answer(this.#joined(member));
      return;
    }
    member.metadata = request.metadata;
    member.join = answer;
    member.seenAt = this.#world.now;
    if (this.state === "preparing") this.#completeWhenAll();
    else this.#prepare();
  }

  sync(
    memberId: string,
    generation: number,
    assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[],
    answer: (answer: SyncAnswer) => void,
  ): void {
    const member = this.members.get(memberId);
    const errorCode = this.#problem(memberId, generation);
    if (member === undefined || errorCode !== 0) {
      answer({ errorCode, assignment: NOTHING });
      return;
    }
    member.seenAt = this.#world.now;
    if (this.state === "preparing") {
      answer({ errorCode: GROUP_ERROR.REBALANCE_IN_PROGRESS, assignment: NOTHING });
      return;
    }
    if (this.state === "stable") {
      answer({ errorCode: 0, assignment: member.assignment });
      return;
    }
    member.sync = answer;
    if (memberId !== this.#leader) return;
    for (const { memberId: id, assignment } of assignments) {
      const assigned = this.members.get(id);
      if (assigned !== undefined) assigned.assignment = assignment;
    }
    this.state = "stable";
    for (const waiting of this.members.values()) {
      waiting.sync?.({ errorCode: 0, assignment: waiting.assignment });
      waiting.sync = null;
    }
  }

  /** @returns the error code. */
  heartbeat(memberId: string, generation: number): number {
    const problem = this.#problem(memberId, generation);
    if (problem !== 0) return problem;
    (this.members.get(memberId) as Member).seenAt = this.#world.now;
    return this.state === "preparing" ? GROUP_ERROR.REBALANCE_IN_PROGRESS : 0;
  }

  /** Whether a member may commit now. @returns the error code. */
  mayCommit(memberId: string, generation: number): number {
    const problem = this.#problem(memberId, generation);
    if (problem !== 0) return problem;
    return this.state === "completing" ? GROUP_ERROR.REBALANCE_IN_PROGRESS : 0;
  }

  /** @returns the error code. */
  leave(memberId: string): number {
    const member = this.members.get(memberId);
    if (member === undefined) return GROUP_ERROR.UNKNOWN_MEMBER_ID;
    this.#remove(member);
    return 0;
  }

  /** Another broker coordinates it now: it knows who was a member, and nothing of what was under way. */
  movedOn(): void {
    for (const member of this.members.values()) {
      member.join = null;
      member.sync = null;
      member.seenAt = this.#world.now;
    }
    if (this.members.size > 0 && this.state !== "stable") this.#prepare();
  }

  #problem(memberId: string, generation: number): number {
    if (!this.members.has(memberId)) return GROUP_ERROR.UNKNOWN_MEMBER_ID;
    return generation === this.generation ? 0 : GROUP_ERROR.ILLEGAL_GENERATION;
  }

  #joinError(errorCode: number, memberId: string): JoinAnswer {
    return { errorCode, generationId: -1, leader: "", memberId, members: [] };
  }

  #joined(member: Member): JoinAnswer {
    const known = [...this.members.values()].map(({ id, metadata }) => ({ memberId: id, metadata }));
    const members = member.id === this.#leader ? known : [];
    return { errorCode: 0, generationId: this.generation, leader: this.#leader, memberId: member.id, members };
  }

  #prepare(): void {
    this.state = "preparing";
    this.#preparations += 1;
    const preparation = this.#preparations;
    for (const member of this.members.values()) {
      member.sync?.({ errorCode: GROUP_ERROR.REBALANCE_IN_PROGRESS, assignment: NOTHING });
      member.sync = null;
    }
    const longest = Math.max(...[...this.members.values()].map(({ rebalanceMs }) => rebalanceMs));
    this.#world.at(longest, null, () => {
      if (this.state !== "preparing" || preparation !== this.#preparations) return;
      for (const member of [...this.members.values()]) if (member.join === null) this.members.delete(member.id);
      this.#complete();
    });
    this.#completeWhenAll();
  }

  #completeWhenAll(): void {
    if ([...this.members.values()].every(({ join }) => join !== null)) this.#complete();
  }

  #complete(): void {
    this.generation += 1;
    const [first] = this.members.keys();
    if (first === undefined) {
      this.state = "empty";
      return;
    }
    this.state = "completing";
    if (!this.members.has(this.#leader)) this.#leader = first;
    for (const member of this.members.values()) {
      member.seenAt = this.#world.now;
      member.join?.(this.#joined(member));
      member.join = null;
    }
  }

  #remove(member: Member): void {
    this.members.delete(member.id);
    if (this.members.size === 0) {
      this.generation += 1;
      this.state = "empty";
    } else if (this.state === "preparing") this.#completeWhenAll();
    else this.#prepare();
  }

  /** One that waits for the others is not silent. */
  #watch(member: Member): void {
    this.#world.at(member.sessionMs, null, () => this.#check(member));
  }

  #check(member: Member): void {
    if (this.members.get(member.id) !== member) return;
    const left = member.join !== null ? member.sessionMs : member.seenAt + member.sessionMs - this.#world.now;
    if (left > 0) this.#world.at(left, null, () => this.#check(member));
    else this.#remove(member);
  }
}
