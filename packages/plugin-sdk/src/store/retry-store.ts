import type { DeliveryOutcome } from "@plugboard/contract";
import type { Pool } from "pg";
import type { MalformedRecord, Received, RecordCopy } from "../delivery/received.ts";

/** One failed attempt, as the dead letter's history shows it. */
export interface FailedAttempt {
  readonly attempt: number;
  readonly at: string;
  readonly reason: string;
}

/** A decided end whose dead letter is still to be written. */
export interface Verdict {
  /** Null for records that are no deliveries. */
  readonly outcome: DeliveryOutcome | null;
  /** For `pb-dead-letter-reason`: an outcome or why the record is malformed. */
  readonly reason: string;
  readonly detail: string;
  readonly attempts: number;
}

/** What an entry waits for; the counted one is `retry`. */
export type WaitingFor = "retry" | "settings" | "order" | "busy" | "table" | "drain" | "turn" | "dead-letter";

/** An entry taken for one attempt. */
export interface TakenEntry {
  readonly seq: string;
  readonly deliveryId: string;
  readonly team: string;
  readonly record: RecordCopy;
  readonly verdict: Verdict | null;
  readonly history: readonly FailedAttempt[];
  readonly waitingFor: WaitingFor;
  /** When it was first stored, milliseconds since 1970. */
  readonly storedAtMs: number;
}

export interface PutOff {
  readonly waitingFor: WaitingFor;
  readonly dueInMs: number;
  readonly history: readonly FailedAttempt[];
  readonly verdict?: Verdict;
  /** The claim that is given up with it; null when there is none. */
  readonly token: string | null;
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

interface EntryRow {
  readonly seq: string;
  readonly delivery_id: string;
  readonly team: string;
  readonly record_key: Buffer | null;
  readonly record_value: Buffer | null;
  readonly record_headers: [string, string][];
  readonly origin: string;
  readonly verdict: Verdict | null;
  readonly history: FailedAttempt[];
  readonly waiting_for: WaitingFor;
  readonly stored_at: Date;
}

/** The due-time table: what is to be attempted later, in Postgres, taken by any instance. See docs/decisions/0030. */
export class RetryStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Stores (or stores again) a delivery and gives up its claim, in one statement: it is never in neither place. */
  async putOff(item: Received | MalformedRecord, how: PutOff): Promise<void> {
    const { record } = item;
    const delivery = item.kind === "delivery" ? item : null;
    await this.#pool.query({
      name: "put-off",
      text: `WITH identity AS (
               INSERT INTO deliveries AS d (id, team, order_key, revision, state) VALUES ($1, $2, $3, $4, 'waiting')
               ON CONFLICT (id) DO UPDATE SET state = 'waiting', owner = NULL, lease_until = NULL,
                 attempts = d.attempts - CASE WHEN $14 THEN 1 ELSE 0 END
               WHERE d.state = 'started' AND d.owner = $13)
             INSERT INTO retries AS r (delivery_id, team, order_key, revision, waiting_for, record_key, record_value,
                 record_headers, origin, verdict, history, due_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now() + $12 * interval '1 ms')
             ON CONFLICT (delivery_id) DO UPDATE SET waiting_for = excluded.waiting_for, due_at = excluded.due_at,
               verdict = coalesce(r.verdict, excluded.verdict), history = excluded.history, taken_by = NULL`,
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
        JSON.stringify(bounded(how.history)),
        how.dueInMs,
        how.token,
        how.uncount ?? false,
      ],
    });
  }

  /**
   * Stores a delivery that waits for its turn in this process, so that its offset may move. One that stands here already,
   * or has its end, is left as it is: its copy's own way goes on.
   */
  async handOver(item: Received, dueInMs: number): Promise<void> {
    await this.#pool.query({
      name: "hand-over",
      text: `WITH identity AS (
               INSERT INTO deliveries (id, team, order_key, revision, state) VALUES ($1, $2, $3, $4, 'waiting')
               ON CONFLICT (id) DO NOTHING)
             INSERT INTO retries (delivery_id, team, order_key, revision, waiting_for, record_key, record_value,
                 record_headers, origin, due_at)
             VALUES ($1, $2, $3, $4, 'turn', $5, $6, $7, $8, now() + $9 * interval '1 ms')
             ON CONFLICT (delivery_id) DO NOTHING`,
      values: handOverValues(item, dueInMs),
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
   * An earlier entry of the same key goes first. Rows another instance is taking are skipped.
   * @param without teams that have enough under way here.
   */
  async take(limit: number, leaseMs: number, instance: string, without: readonly string[]): Promise<TakenEntry[]> {
    const { rows } = await this.#pool.query<EntryRow>({
      name: "take",
      text: `WITH RECURSIVE teams AS (
               (SELECT team FROM retries ORDER BY team LIMIT 1)
               UNION ALL
               SELECT (SELECT n.team FROM retries n WHERE n.team > t.team ORDER BY n.team LIMIT 1)
               FROM teams t WHERE t.team IS NOT NULL
             ), candidates AS (
               SELECT c.seq FROM teams t CROSS JOIN LATERAL (
                 SELECT w.seq, w.due_at, row_number() OVER (ORDER BY w.due_at, w.seq) AS turn
                 FROM (SELECT r.seq, r.due_at FROM retries r
                       WHERE r.team = t.team AND r.due_at <= now() AND (r.verdict IS NOT NULL OR NOT EXISTS (
                         SELECT 1 FROM retries e WHERE e.team = r.team AND e.order_key = r.order_key AND e.seq < r.seq
                           AND e.verdict IS NULL
                           AND (e.revision IS NULL OR r.revision IS NULL OR e.revision = r.revision)))
                       ORDER BY r.due_at, r.seq LIMIT $1) w
               ) c WHERE t.team IS NOT NULL AND t.team <> ALL($4) ORDER BY c.turn, c.due_at LIMIT $1
             ), locked AS (
               SELECT r.seq FROM retries r WHERE r.seq IN (SELECT seq FROM candidates) AND r.due_at <= now()
               FOR UPDATE SKIP LOCKED
             )
             UPDATE retries r SET due_at = now() + $2 * interval '1 ms', taken_by = $3
             FROM locked WHERE r.seq = locked.seq
             RETURNING r.seq, r.delivery_id, r.team, r.record_key, r.record_value, r.record_headers, r.origin, r.verdict,
               r.history, r.waiting_for, r.stored_at`,
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

  /** How many entries there are and how old, counted up to `limit`. */
  async backlog(limit: number): Promise<RetryBacklog> {
    const { rows } = await this.#pool.query<{ count: string; age: number | null; overdue: number | null }>(
      `SELECT count(*), extract(epoch FROM now() - min(stored_at))::float8 AS age,
         extract(epoch FROM now() - min(due_at))::float8 AS overdue
       FROM (SELECT stored_at, due_at FROM retries LIMIT $1) AS waiting`,
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

function headersText(record: RecordCopy): string {
  return JSON.stringify(record.headers.map(([name, value]) => [name, value.toString("base64")]));
}

function bounded(history: readonly FailedAttempt[]): readonly FailedAttempt[] {
  return history.length <= HISTORY_ENTRIES_MAX
    ? history
    : [...history.slice(0, 1), ...history.slice(1 - HISTORY_ENTRIES_MAX)];
}

function asEntry(row: EntryRow): TakenEntry {
  return {
    seq: row.seq,
    deliveryId: row.delivery_id,
    team: row.team,
    record: {
      key: row.record_key,
      value: row.record_value,
      headers: row.record_headers.map(([name, value]) => [name, Buffer.from(value, "base64")] as const),
      readFrom: row.origin,
    },
    verdict: row.verdict,
    history: row.history,
    waitingFor: row.waiting_for,
    storedAtMs: row.stored_at.getTime(),
  };
}
