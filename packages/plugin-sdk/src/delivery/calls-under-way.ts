/** Handler calls that have not ended, by team. */
export class CallsUnderWay {
  /** When each of a team's began, on the monotonic clock; the oldest first. */
  readonly #calls = new Map<string, Set<{ readonly since: number }>>();

  /** When the oldest of a team's began, on the monotonic clock; null when there is none. */
  oldestSince(team: string): number | null {
    const [oldest] = this.#calls.get(team) ?? [];
    return oldest?.since ?? null;
  }

  /** @returns what is to be called when it has ended. */
  begin(team: string, since: number): () => void {
    const call = { since };
    const calls = this.#calls.get(team) ?? new Set();
    this.#calls.set(team, calls.add(call));
    return () => {
      calls.delete(call);
      if (calls.size === 0) this.#calls.delete(team);
    };
  }
}
