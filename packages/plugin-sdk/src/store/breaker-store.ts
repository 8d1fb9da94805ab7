import type { Pool } from "pg";

/** The plugin's own breaker stands in the table under this name, which no team has. */
export const WHOLE_PLUGIN = "";

/** A breaker that is not closed, as all instances see it. */
export interface OpenBreaker {
  /** {@link WHOLE_PLUGIN} for the plugin's own. */
  readonly team: string;
  /** How often in a row it opened. */
  readonly opens: number;
  /** Until it is half-open; 0 when it is. */
  readonly openMs: number;
  /** Until the next probe may begin; 0 when one may now. Longer than `openMs` while one is under way. */
  readonly waitMs: number;
  readonly openedAt: Date;
  readonly reason: string;
}

/** Breakers read at once; those beyond are met one by one, when their teams' deliveries are attempted. */
const BREAKERS_MAX = 10_000;

const leftMs = (until: string) => `greatest(0, extract(epoch FROM ${until} - now()) * 1000)::float8`;

/** Breakers that are not closed, shared by a plugin's instances; times are the database's. */
export class BreakerStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** All that are not closed, the longest open first. */
  async all(): Promise<OpenBreaker[]> {
    const { rows } = await this.#pool.query<OpenBreaker>({
      name: "breakers",
      text: `SELECT team, opens, ${leftMs("open_until")} AS "openMs", ${leftMs("greatest(open_until, probe_until)")} AS "waitMs",
               opened_at AS "openedAt", reason FROM sdk_breakers ORDER BY opened_at LIMIT ${BREAKERS_MAX}`,
    });
    return rows;
  }

  /**
   * Opens a breaker, or opens it again after a probe that failed, for as long as `openMs` says; parks the team's line of
   * due deliveries for as long. One that another instance has opened meanwhile stays as it is.
   * @param openMs by how often it has opened in a row.
   */
  async open(team: string, openMs: readonly number[], reason: string): Promise<void> {
    await this.#pool.query({
      name: "breaker-open",
      text: `WITH opened AS (
               INSERT INTO sdk_breakers AS b (team, open_until, reason)
               VALUES ($1, now() + ($2::float8[])[1] * interval '1 ms', $3)
               ON CONFLICT (team) DO UPDATE SET opens = b.opens + 1, probe_until = NULL, reason = excluded.reason,
                 open_until = now() + ($2::float8[])[least(b.opens + 1, cardinality($2::float8[]))] * interval '1 ms'
               WHERE b.open_until <= now()
               RETURNING open_until)
             UPDATE sdk_retry_lines l SET parked_until = opened.open_until FROM opened
             WHERE l.team = $1 AND NOT l.decided`,
      values: [team, openMs, reason],
    });
  }

  /** Lets this caller, and nobody else for `leaseMs`, try whether it is over. */
  async probe(team: string, leaseMs: number): Promise<boolean> {
    const { rowCount } = await this.#pool.query({
      name: "breaker-probe",
      text: `UPDATE sdk_breakers SET probe_until = now() + $2 * interval '1 ms'
             WHERE team = $1 AND open_until <= now() AND (probe_until IS NULL OR probe_until <= now())`,
      values: [team, leaseMs],
    });
    return rowCount === 1;
  }

  /** A probe that came to nothing, neither way, is given back: another may begin. */
  async unprobe(team: string): Promise<void> {
    await this.#pool.query({
      name: "breaker-unprobe",
      text: `WITH free AS (UPDATE sdk_breakers SET probe_until = NULL WHERE team = $1)
             UPDATE sdk_retry_lines SET parked_until = now() WHERE team = $1 AND parked_until > now()`,
      values: [team],
    });
  }

  /** It is over: the team's line goes on. */
  async close(team: string): Promise<void> {
    await this.#pool.query({
      name: "breaker-close",
      text: `WITH closed AS (DELETE FROM sdk_breakers WHERE team = $1)
             UPDATE sdk_retry_lines SET parked_until = '-infinity' WHERE team = $1 AND parked_until > '-infinity'`,
      values: [team],
    });
  }
}
