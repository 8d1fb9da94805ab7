/** A task of up to this long costs one share: among teams whose handlers are quick, turns decide. */
const SHARE_MS = 50;
/** A task costs no more, however long it was: who hung for minutes is served again after some rounds, not after minutes. */
const SHARES_MAX = 20;
/** Teams remembered; when there are more, all begin anew. */
const TEAMS_MAX = 10_000;

/**
 * How much of the pool's time each team has used, in shares: start-time fair queueing. A team that begins to want something
 * stands where the others are, so nobody saves up, and nobody is held to what it used while nobody else wanted anything.
 */
export class TeamUsage {
  readonly #used = new Map<string, number>();
  /** Where the team stands that was served last. */
  #base = 0;

  /** No team has used less. */
  get least(): number {
    return this.#base;
  }

  of(team: string): number {
    return Math.max(this.#used.get(team) ?? 0, this.#base);
  }

  /** A task of the team begins; it is charged for one share. */
  begun(team: string): void {
    const used = this.of(team);
    this.#base = used;
    this.#used.set(team, used + 1);
    if (this.#used.size <= TEAMS_MAX) return;
    this.#used.clear();
    this.#base = 0;
  }

  /** It has ended, and is charged for what it took beyond that. */
  ended(team: string, ms: number): void {
    const more = Math.min(Math.floor(ms / SHARE_MS), SHARES_MAX - 1);
    if (more > 0) this.#used.set(team, this.of(team) + more);
  }
}
