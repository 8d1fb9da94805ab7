import type { Asking, JoinAnswer, JoinRequest, SyncAnswer } from "./group-requests.ts";
import { ERROR } from "./kafka-errors.ts";
import type { World } from "./world.ts";

interface Member {
  readonly id: string;
  /** Of a static member: it keeps its place through a restart. */
  readonly instanceId: string | null;
  metadata: Buffer;
  sessionMs: number;
  rebalanceMs: number;
  seenAt: number;
  /** Waits for the others. */
  join: ((answer: JoinAnswer) => void) | null;
  sync: ((answer: SyncAnswer) => void) | null;
  assignment: Buffer;
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
  /** Static members' ids, by instance. */
  readonly #statics = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
  }

  join(request: JoinRequest, answer: (answer: JoinAnswer) => void): void {
    const { memberId, instanceId } = request;
    if (memberId === "") {
      const given = this.#newId();
      if (instanceId === null) {
        this.#given.add(given);
        answer(this.#joinError(ERROR.MEMBER_ID_REQUIRED, given));
      } else this.#joinStatic(given, instanceId, request, answer);
      return;
    }
    const fenced = this.#fenced(memberId, instanceId);
    let member = this.members.get(memberId);
    if (fenced !== 0 || (member === undefined && !this.#given.delete(memberId))) {
      answer(this.#joinError(fenced || ERROR.UNKNOWN_MEMBER_ID, memberId));
      return;
    }
    if (member === undefined) member = this.#add(memberId, request);
    else if (this.state === "stable" && memberId !== this.#leader && member.metadata.equals(request.metadata)) {
      member.seenAt = this.#world.now;
      answer(this.#joined(member));
      return;
    }
    this.#wait(member, request, answer);
  }

  sync(
    asking: Asking,
    assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[],
    answer: (answer: SyncAnswer) => void,
  ): void {
    const { memberId } = asking;
    const member = this.members.get(memberId);
    const errorCode = this.#problem(asking);
    if (member === undefined || errorCode !== 0) {
      answer({ errorCode, assignment: NOTHING });
      return;
    }
    member.seenAt = this.#world.now;
    if (this.state === "preparing") {
      answer({ errorCode: ERROR.REBALANCE_IN_PROGRESS, assignment: NOTHING });
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
  heartbeat(asking: Asking): number {
    const problem = this.#problem(asking);
    if (problem !== 0) return problem;
    (this.members.get(asking.memberId) as Member).seenAt = this.#world.now;
    return this.state === "preparing" ? ERROR.REBALANCE_IN_PROGRESS : 0;
  }

  /** Whether a member may commit now. @returns the error code. */
  mayCommit(asking: Asking): number {
    const problem = this.#problem(asking);
    if (problem !== 0) return problem;
    return this.state === "completing" ? ERROR.REBALANCE_IN_PROGRESS : 0;
  }

  /** The same in a transaction, where who names no membership is not asked for one. @returns the error code. */
  mayCommitInTransaction(asking: Asking): number {
    const namesNone = asking.memberId === "" && asking.generation < 0 && asking.instanceId === null;
    return namesNone ? 0 : this.#problem(asking);
  }

  /** @returns the error code. */
  leave(memberId: string): number {
    const member = this.members.get(memberId);
    if (member === undefined) return ERROR.UNKNOWN_MEMBER_ID;
    this.#remove(member);
    return 0;
  }

  /** As it is told to who asks. */
  described(groupId: string): object {
    const members = [...this.members.values()].map(({ id, assignment }) => {
      return { memberId: id, memberAssignment: assignment };
    });
    const groupState = this.state === "stable" ? "Stable" : "PreparingRebalance";
    return { errorCode: 0, groupId, groupState, members };
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

  #newId(): string {
    this.#ids += 1;
    return `member-${this.#ids}`;
  }

  #problem({ memberId, generation, instanceId }: Asking): number {
    const fenced = this.#fenced(memberId, instanceId);
    if (fenced !== 0) return fenced;
    if (!this.members.has(memberId)) return ERROR.UNKNOWN_MEMBER_ID;
    return generation === this.generation ? 0 : ERROR.ILLEGAL_GENERATION;
  }

  /** Whether another process has come under the same instance id. */
  #fenced(memberId: string, instanceId: string | null): number {
    if (instanceId === null) return 0;
    const known = this.#statics.get(instanceId);
    if (known === undefined) return ERROR.UNKNOWN_MEMBER_ID;
    return known === memberId ? 0 : ERROR.FENCED_INSTANCE_ID;
  }

  #add(id: string, { instanceId, metadata, sessionMs, rebalanceMs }: JoinRequest): Member {
    const timing = { sessionMs, rebalanceMs, seenAt: this.#world.now };
    const member = { id, instanceId, metadata, ...timing, join: null, sync: null, assignment: NOTHING };
    this.members.set(id, member);
    if (instanceId !== null) this.#statics.set(instanceId, id);
    this.#watch(member);
    return member;
  }

  /** Waits until the others have joined as well. */
  #wait(member: Member, request: JoinRequest, answer: (answer: JoinAnswer) => void): void {
    member.metadata = request.metadata;
    member.join = answer;
    member.seenAt = this.#world.now;
    if (this.state === "preparing") this.#completeWhenAll();
    else this.#prepare();
  }

  /** A process that begins: in the place of the one before under its instance id, whose member id counts no more. */
  #joinStatic(id: string, instanceId: string, request: JoinRequest, answer: (answer: JoinAnswer) => void): void {
    const before = this.members.get(this.#statics.get(instanceId) ?? "");
    const member = this.#add(id, request);
    if (before !== undefined) {
      this.members.delete(before.id);
      before.join?.(this.#joinError(ERROR.FENCED_INSTANCE_ID, before.id));
      before.sync?.({ errorCode: ERROR.FENCED_INSTANCE_ID, assignment: NOTHING });
      member.assignment = before.assignment;
      if (this.#leader === before.id) this.#leader = id;
      // Nothing changes for the others, whatever it says of itself.
      if (this.state === "stable") {
        answer(this.#joined(member));
        return;
      }
    }
    this.#wait(member, request, answer);
  }

  #joinError(errorCode: number, memberId: string): JoinAnswer {
    return { errorCode, generationId: -1, leader: "", memberId, members: [] };
  }

  #joined(member: Member): JoinAnswer {
    const known = [...this.members.values()].map(({ id, instanceId, metadata }) => {
      return { memberId: id, groupInstanceId: instanceId, metadata };
    });
    const members = member.id === this.#leader ? known : [];
    return { errorCode: 0, generationId: this.generation, leader: this.#leader, memberId: member.id, members };
  }

  #prepare(): void {
    this.state = "preparing";
    this.#preparations += 1;
    const preparation = this.#preparations;
    for (const member of this.members.values()) {
      member.sync?.({ errorCode: ERROR.REBALANCE_IN_PROGRESS, assignment: NOTHING });
      member.sync = null;
    }
    const longest = Math.max(...[...this.members.values()].map(({ rebalanceMs }) => rebalanceMs));
    this.#world.at(longest, null, () => {
      if (this.state !== "preparing" || preparation !== this.#preparations) return;
      for (const member of [...this.members.values()])
        if (member.join === null && member.instanceId === null) this.members.delete(member.id);
      // A static member is waited for until its session ends; but somebody must lead.
      const someJoined = [...this.members.values()].some(({ join }) => join !== null);
      if (someJoined || this.members.size === 0) this.#complete();
      else this.#prepare();
    });
    this.#completeWhenAll();
  }

  #completeWhenAll(): void {
    if ([...this.members.values()].every(({ join }) => join !== null)) this.#complete();
  }

  #complete(): void {
    this.generation += 1;
    const joined = [...this.members.values()].filter(({ join }) => join !== null);
    const [first] = joined;
    if (first === undefined) {
      this.state = "empty";
      return;
    }
    this.state = "completing";
    if (!joined.some(({ id }) => id === this.#leader)) this.#leader = first.id;
    for (const member of joined) {
      member.seenAt = this.#world.now;
      member.join?.(this.#joined(member));
      member.join = null;
    }
  }

  #remove(member: Member): void {
    this.members.delete(member.id);
    if (member.instanceId !== null) this.#statics.delete(member.instanceId);
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
