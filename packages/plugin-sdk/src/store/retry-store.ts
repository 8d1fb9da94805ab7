import type { Pool } from "pg";
import type { MalformedRecord, Received } from "../delivery/received.ts";
import {
  asEntry,
  type EntryRow,
  type FailedAttempt,
  headersText,
  type TakenEntry,
  type Verdict,
  type WaitingFor,
} from "./taken-entry.ts";

export interface PutOff {
  readonly waitingFor: WaitingFor;
  readonly dueInMs: number;
  /** The attempts that failed; left as it was unless given. */
  readonly history?: readonly FailedAttempt[];
  readonly verdict?: Verdict;
  /** The claim that is given up with it; null when there is none. */
  readonly token: string | null;
  /** Whether it is to be found out what its effect came to; left as it was unless given. */
  readonly unresolved?: boolean;
  /** How often it was attempted, of one of which nothing was written down. */
  readonly attempts?: number;
  /** The attempt is not to count: it was handed back. */
  readonly uncount?: boolean;
}

/** What waits in the due-time table. */
export interface RetryBacklog {
  readonly rows: number;
  /** Since the oldest was stored; 0 with none. */
  readonly oldestAgeSeconds: number;
  /** Since the one that was due first was due, if it still waits; 0 with none. */
  readonly oldestOverdueSeconds: number;
}

/** Failed attempts remembered per entry: the newest, after the first. */
const HISTORY_ENTRIES_MAX = 20;

/** The due-time table: what is to be attempted later, in Postgres, taken by any instance. See docs/decisions/0030. */
export class RetryStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /**
   * Stores (or stores again) a delivery and gives up its claim, in one statement: it is never in neither place. Of a claim that is
   * held no longer nothing is stored: the delivery is another's, or has its end.
   */
  async putOff(item: Received | MalformedRecord, how: PutOff): Promise<void> {
    const { record } = item;
    const delivery = item.kind === "delivery" ? item : null;
    await this.#pool.query({
      name: "put-off",
      text: `WITH identity AS (
               INSERT INTO deliveries AS d (id, team, order_key, revision, state, attempts)
               VALUES ($1, $2, $3, $4, 'waiting', coalesce($16::int, 0))
               ON CONFLICT (id) DO UPDATE SET state = 'waiting', owner = NULL, lease_until = NULL,
                 attempts = d.attempts - CASE WHEN $14 THEN 1 ELSE 0 END,
                 -- A suspect whose attempt has ended is none any more, unless a process has ended with it alone.
                 cut_short = CASE WHEN $14 OR d.cut_short > 1 THEN d.cut_short ELSE 0 END
               WHERE d.state = 'started' AND d.owner = $13
               RETURNING id)
             INSERT INTO retries AS r (delivery_id, team, order_key, revision, waiting_for, record_key, record_value,
                 record_headers, origin, verdict, history, due_at, unresolved)
             SELECT $1::text, $2::text, $3::text, $4::bigint, $5::text, $6::bytea, $7::bytea, $8::json, $9::text, $10::json,
               coalesce($11::json, '[]'), now() + $12::float8 * interval '1 ms', coalesce($15::boolean, false)
             WHERE $13::text IS NULL OR EXISTS (SELECT FROM identity)
             ON CONFLICT (delivery_id) DO UPDATE SET waiting_for = excluded.waiting_for, due_at = excluded.due_at,
               verdict = coalesce(r.verdict, excluded.verdict), history = coalesce($11::json, r.history), taken_by = NULL,
               unresolved = coalesce($15, r.unresolved)`,
      values: [
        item.id,
        delivery?.event.teamId ?? "",
        delivery?.orderKey ?? null,
        delivery?.event.revision ?? null,
        how.waitingFor,
        record.key,
        record.value,
        headersText(record),
        record.readFrom,
        how.verdict === undefined ? null : JSON.stringify(how.verdict),
        how.history === undefined ? null : JSON.stringify(bounded(how.history)),
        how.dueInMs,
        how.token,
        how.uncount ?? false,
        how.unresolved ?? null,
        how.attempts ?? null,
      ],
    });
  }

  /**
   * Stores deliveries that wait for their turn in this process, in their order and in one statement, so that their offsets
   * may move. One that stands here already, or has its end, is left as it is: its copy's own way goes on.
   */
  async handOver(items: readonly Received[], dueInMs: number): Promise<void> {
    const column = <T>(of: (item: Received) => T) => items.map(of);
    await this.#pool.query({
      name: "hand-over",
      text: `WITH given AS (
               SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::bytea[], $7::text[], $8::text[])
                 WITH ORDINALITY AS g (id, team, order_key, revision, key, value, headers, origin, place)
             ), identity AS (
               INSERT INTO deliveries (id, team, order_key, revision, state)
               SELECT id, team, order_key, revision, 'waiting' FROM given ORDER BY place ON CONFLICT (id) DO NOTHING)
             INSERT INTO retries (delivery_id, team, order_key, revision, waiting_for, record_key, record_value,
                 record_headers, origin, due_at)
             SELECT id, team, order_key, revision, 'turn', key, value, headers::json, origin, now() + $9 * interval '1 ms'
             FROM given ORDER BY place
             ON CONFLICT (delivery_id) DO NOTHING`,
      values: [
        column(({ id }) => id),
        column(({ event }) => event.teamId),
        column(({ orderKey }) => orderKey),
        column(({ event }) => event.revision),
        column(({ record }) => record.key),
        column(({ record }) => record.value),
        column(({ record }) => headersText(record)),
        column(({ record }) => record.readFrom),
        dueInMs,
      ],
    });
  }

  /**
   * Stores a delivery whose attempt is under way, so that its offset may move before the attempt ends: due when the claim
   * has run out, which a crash leaves to any instance. The attempt's end finds the entry and removes or replaces it.
   * Answers false, and stores nothing, when no claim stands.
   */
  async handOverClaimed(item: Received, dueInMs: number): Promise<boolean> {
    const { rowCount } = await this.#pool.query({
      name: "hand-over-claimed",
      text: `WITH claimed AS (SELECT FROM deliveries WHERE id = $1 AND state = 'started' FOR UPDATE)
             INSERT INTO retries (delivery_id, team, order_key, revision, waiting_for, record_key, record_value,
                 record_headers, origin, due_at)
             SELECT $1::text, $2::text, $3::text, $4::bigint, 'busy', $5::bytea, $6::bytea, $7::json, $8::text,
               now() + $9::int * interval '1 ms' FROM claimed
             ON CONFLICT (delivery_id) DO NOTHING`,
      values: handOverValues(item, dueInMs),
    });
    return rowCount === 1;
  }

  /** Removes an entry that was handed over at the moment its delivery was settled. */
  async removeSettled(deliveryId: string): Promise<void> {
    await this.#pool.query(
      `DELETE FROM retries r USING deliveries d WHERE r.delivery_id = $1 AND d.id = $1 AND d.state = 'settled'
         AND r.verdict IS NULL`,
      [deliveryId],
    );
  }

  /**
   * Takes due entries for `leaseMs`, in turns over the teams, so that a team with a long queue does not delay another.
   * An earlier entry of the same key goes first. Lines and rows another instance is taking from are skipped. What it costs
   * depends on `limit` only, not on how many entries wait (retry-turns.ts).
   * @param without teams that have enough under way here.
   */
  async take(limit: number, leaseMs: number, instance: string, without: readonly string[]): Promise<TakenEntry[]> {
    const { rows } = await this.#pool.query<EntryRow>({
      name: "take",
      text: `SELECT seq, delivery_id, team, record_key, record_value, record_headers, origin, verdict, history,
               waiting_for, unresolved, stored_at FROM sdk_take_retries($1, $2, $3, $4)`,
      values: [limit, leaseMs, instance, without],
    });
    return rows.map(asEntry);
  }

  /** Gives entries back at once that were taken but not begun. */
  async release(seqs: readonly string[], instance: string): Promise<void> {
    await this.#pool.query("UPDATE retries SET due_at = now(), taken_by = NULL WHERE seq = ANY($1) AND taken_by = $2", [
      seqs,
      instance,
    ]);
  }

  /** Keeps an entry for longer; false when its lease has run out, and it is anybody's. */
  async hold(seq: string, instance: string, leaseMs: number): Promise<boolean> {
    const { rowCount } = await this.#pool.query(
      `UPDATE retries SET due_at = now() + $3 * interval '1 ms' WHERE seq = $1 AND taken_by = $2 AND due_at > now()`,
      [seq, instance, leaseMs],
    );
    return rowCount === 1;
  }

  /** Puts a dead letter that could not be written back in line. */
  async postpone(seq: string, dueInMs: number): Promise<void> {
    await this.#pool.query("UPDATE retries SET due_at = now() + $2 * interval '1 ms', taken_by = NULL WHERE seq = $1", [
      seq,
      dueInMs,
    ]);
  }

  async remove(seq: string): Promise<void> {
    await this.#pool.query("DELETE FROM retries WHERE seq = $1", [seq]);
  }

  /** A team's settings have arrived: what waited for them is due. Answers how many entries that are. */
  async wake(team: string): Promise<number> {
    const { rowCount } = await this.#pool.query(
      "UPDATE retries SET due_at = now() WHERE team = $1 AND waiting_for = 'settings' AND taken_by IS NULL",
      [team],
    );
    return rowCount ?? 0;
  }

  /** A suspect has ended: the next that waits to be tried alone is due, unless its team is parked. */
  async wakeSuspect(): Promise<void> {
    await this.#pool.query(`UPDATE retries SET due_at = now() WHERE seq = (
      SELECT seq FROM retries r WHERE waiting_for = 'alone' AND taken_by IS NULL AND due_at > now()
        AND NOT EXISTS (SELECT FROM sdk_breakers b WHERE b.team = r.team) ORDER BY seq LIMIT 1 FOR UPDATE SKIP LOCKED)`);
  }

  /** How many entries there are and how old, counted up to `limit`. */
  async backlog(limit: number): Promise<RetryBacklog> {
    const { rows } = await this.#pool.query<{ count: string; age: number | null; overdue: number | null }>(
      `SELECT (SELECT count(*) FROM (SELECT FROM retries LIMIT $1) AS waiting) AS count,
         (SELECT extract(epoch FROM now() - stored_at)::float8 FROM retries ORDER BY seq LIMIT 1) AS age,
         (SELECT extract(epoch FROM now() - min(first.due_at))::float8 FROM sdk_retry_lines l CROSS JOIN LATERAL (
            SELECT r.due_at FROM retries r WHERE r.team = l.team AND r.decided = l.decided
            ORDER BY r.due_at LIMIT 1) first) AS overdue`,
      [limit],
    );
    const { count = "0", age = null, overdue = null } = rows[0] ?? {};
    const seconds = (value: number | null) => Math.max(0, value ?? 0);
    return { rows: Number(count), oldestAgeSeconds: seconds(age), oldestOverdueSeconds: seconds(overdue) };
  }
}

function handOverValues({ id, event, orderKey, record }: Received, dueInMs: number): unknown[] {
  const { key, value, readFrom } = record;
  return [id, event.teamId, orderKey, event.revision, key, value, headersText(record), readFrom, dueInMs];
}

function bounded(history: readonly FailedAttempt[]): readonly FailedAttempt[] {
  return history.length <= HISTORY_ENTRIES_MAX
    ? history
    : [...history.slice(0, 1), ...history.slice(1 - HISTORY_ENTRIES_MAX)];
}
