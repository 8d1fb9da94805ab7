import type { EnablementAnswer, EnablementChange } from "@plugboard/contract";
import type { Pool } from "pg";

/**
 * Migration: one row per team that switched the plugin on or off since it has handlers for that.
 *
 *   told ──► due ──take──► held ──handler ended well──► done      in_effect is what the handler made of it
 *             ▲              ├──► put off: due again later
 *             └──────────────┴──► given up: failed              in_effect stays null: nobody knows
 *
 * Only the newest change counts: one that was over before its turn is never handled. If it asks for what is in effect, nothing is
 * left to do. in_effect is null from the moment a handler is called until it has ended well.
 */
export const ENABLEMENTS = `
  CREATE TABLE sdk_enablements (
    team text PRIMARY KEY,
    version bigint NOT NULL,
    enabled boolean NOT NULL,
    in_effect boolean,
    state text NOT NULL CHECK (state IN ('due', 'done', 'failed')),
    reason text,
    attempts int NOT NULL DEFAULT 0,
    first_attempt_at timestamptz,
    due_at timestamptz NOT NULL DEFAULT now(),
    -- The process that handles it, until held_until: a newer change waits for that, so that a team's are handled in order.
    owner text,
    held_until timestamptz NOT NULL DEFAULT '-infinity'
  );
  CREATE INDEX sdk_enablements_due ON sdk_enablements (due_at) WHERE state = 'due';
`;

/** A change that this process handles. */
export interface HeldChange extends EnablementChange {
  /** Counts from 1. */
  readonly attempt: number;
  /** How long ago its first attempt was, milliseconds. */
  readonly ageMs: number;
}

interface ChangeRow {
  readonly team: string;
  readonly version: string;
  readonly enabled: boolean;
  readonly attempts: number;
  readonly age_ms: number;
}

/** Which teams have the plugin enabled, and what its handlers have made of that; in the plugin's schema, for all instances. */
export class EnablementStore {
  readonly #pool: Pool;
  readonly #owner: string;

  /** @param owner this process. */
  constructor(pool: Pool, owner: string) {
    this.#pool = pool;
    this.#owner = owner;
  }

  /** Takes a change that the manager tells of; an older one, and the same again, change nothing. Answers how it stands. */
  async tell({ team, version, enabled }: EnablementChange): Promise<EnablementAnswer> {
    // Of a team that is not known, the opposite was in effect: its change is handled, also if this database was lost since.
    await this.#pool.query(
      `INSERT INTO sdk_enablements AS e (team, version, enabled, in_effect, state) VALUES ($1, $2, $3, NOT $3, 'due')
       ON CONFLICT (team) DO UPDATE SET version = excluded.version, enabled = excluded.enabled, reason = NULL,
         attempts = 0, first_attempt_at = NULL, due_at = now(),
         state = CASE WHEN e.in_effect = excluded.enabled THEN 'done' ELSE 'due' END
       WHERE e.version < excluded.version`,
      [team, version, enabled],
    );
    return await this.answer(team, version);
  }

  /** How a team's newest change stands. */
  async answer(team: string, version: number): Promise<EnablementAnswer> {
    const { rows } = await this.#pool.query<{ version: string; state: string; reason: string | null }>(
      "SELECT version, state, reason FROM sdk_enablements WHERE team = $1",
      [team],
    );
    const [row] = rows;
    if (row === undefined) return { status: "working", version, reason: null };
    const status = row.state === "done" || row.state === "failed" ? row.state : "working";
    return { status, version: Number(row.version), reason: row.reason };
  }

  /** Takes what is due, for `holdMs`: at most `limit`, one of each team. */
  async take(limit: number, holdMs: number): Promise<HeldChange[]> {
    const { rows } = await this.#pool.query<ChangeRow>(
      `UPDATE sdk_enablements e SET owner = $1, held_until = now() + $2 * interval '1 ms',
         attempts = e.attempts + 1, first_attempt_at = coalesce(e.first_attempt_at, now())
       FROM (SELECT team FROM sdk_enablements WHERE state = 'due' AND due_at <= now() AND held_until <= now()
         ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED) AS due
       WHERE e.team = due.team
       RETURNING e.team, e.version, e.enabled, e.attempts,
         extract(epoch FROM now() - e.first_attempt_at)::float8 * 1000 AS age_ms`,
      [this.#owner, holdMs, limit],
    );
    return rows.map(({ team, version, enabled, attempts, age_ms }) => ({
      team,
      version: Number(version),
      enabled,
      attempt: attempts,
      ageMs: age_ms,
    }));
  }

  /** Before the handler is called: what is in effect is not known until it has ended. */
  async begin({ team }: HeldChange): Promise<boolean> {
    return await this.#held(team, "in_effect = NULL", []);
  }

  /** The handler has ended well. A newer change that asks for the same has nothing left to do. */
  async done({ team, enabled }: HeldChange): Promise<void> {
    const state = "state = CASE WHEN enabled = $3 THEN 'done' ELSE 'due' END";
    await this.#held(team, `in_effect = $3, ${state}, ${FREE}`, [enabled]);
  }

  async putOff({ team, version }: HeldChange, dueInMs: number, reason: string): Promise<void> {
    const set = `due_at = CASE WHEN version = $3 THEN now() + $4 * interval '1 ms' ELSE due_at END, reason = $5, ${FREE}`;
    await this.#held(team, set, [version, dueInMs, reason]);
  }

  /** As if it had not been taken: it waits for something, or its handler was handed back. */
  async handBack({ team, version }: HeldChange, dueInMs: number): Promise<void> {
    const set = `attempts = greatest(attempts - 1, 0),
      first_attempt_at = CASE WHEN attempts > 1 THEN first_attempt_at END,
      due_at = CASE WHEN version = $3 THEN now() + $4 * interval '1 ms' ELSE due_at END, ${FREE}`;
    await this.#held(team, set, [version, dueInMs]);
  }

  async giveUp({ team, version }: HeldChange, reason: string): Promise<void> {
    const set = `state = CASE WHEN version = $3 THEN 'failed' ELSE 'due' END, reason = $4, ${FREE}`;
    await this.#held(team, set, [version, reason]);
  }

  /** What waits of a team is due now. */
  async wake(team: string): Promise<void> {
    await this.#pool.query("UPDATE sdk_enablements SET due_at = now() WHERE team = $1 AND state = 'due'", [team]);
  }

  /** Changes a row that this process holds. @returns whether it still does. */
  async #held(team: string, set: string, values: readonly unknown[]): Promise<boolean> {
    const text = `UPDATE sdk_enablements SET ${set} WHERE team = $1 AND owner = $2 AND held_until > now()`;
    return (await this.#pool.query(text, [team, this.#owner, ...values])).rowCount === 1;
  }
}

const FREE = "owner = NULL, held_until = '-infinity'";
