import type { Pool, PoolClient } from "pg";
import type { OutboxEvent } from "../domain/outbox-event.ts";
import type { Outbox } from "../domain/ports.ts";
import { inTransaction } from "./database.ts";

/** Events claimed at once: kafkajs's own good batch size. */
const BATCH_EVENTS_MAX = 500;
/** Bytes of values claimed at once: about 150 responses of 27 KB, read in some 30 ms; two workers hold twice that. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;

/**
 * A lane with something in it that no other relay has claimed. The lane's row, not the events', is what is locked: two
 * relays never work on one lane, so the order within it is kept.
 */
const CLAIM_LANE = `
  SELECT lane FROM outbox_lanes AS l
  WHERE EXISTS (SELECT FROM outbox WHERE outbox.lane = l.lane)
  ORDER BY (SELECT min(seq) FROM outbox WHERE outbox.lane = l.lane)
  LIMIT 1
  FOR UPDATE SKIP LOCKED`;

/** The oldest events of a lane, within both limits but at least one. */
const OLDEST = `
  SELECT o.seq, o.type, o.team, o.form_id, o.response_id, o.revision, o.at, coalesce(o.data, r.data)::text AS data
  FROM (
    SELECT *, sum(bytes) OVER (ORDER BY seq) AS total FROM outbox WHERE lane = $1 ORDER BY seq LIMIT $2
  ) AS o
  LEFT JOIN revisions AS r ON r.response_id = o.response_id AND r.revision = o.revision
  WHERE o.total - o.bytes < $3
  ORDER BY o.seq`;

/** Named one by one: an event with a lower number may have been committed after these were read. */
const DELETE_EMITTED = "DELETE FROM outbox WHERE lane = $1 AND seq = ANY ($2::bigint[])";

/** When a deletion has been emitted, so has everything before it: nobody needs the answers any more. */
const ERASE_DELETED = `
  UPDATE revisions SET data = '{"answers":{},"collector":null}', sync = NULL WHERE response_id = ANY ($1)`;

/** The outbox in Postgres. Guarantees: at least once, in order per response, never without its cause being committed. */
export class PgOutbox implements Outbox {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  relay(emit: (events: readonly OutboxEvent[]) => Promise<void>): Promise<number> {
    return inTransaction(this.#pool, async (client) => {
      const claimed = await client.query<{ lane: number }>(CLAIM_LANE);
      const lane = claimed.rows[0]?.lane;
      if (lane === undefined) return 0;
      const events = await oldest(client, lane);
      if (events.length === 0) return 0;
      await emit(events);
      await client.query(DELETE_EMITTED, [lane, events.map(({ seq }) => seq)]);
      const deleted = events.filter(({ type }) => type === "onResponseDelete").map(({ responseId }) => responseId);
      if (deleted.length > 0) await client.query(ERASE_DELETED, [deleted]);
      return events.length;
    });
  }

  async pending(): Promise<{ events: number; oldestSeconds: number }> {
    const { rows } = await this.#pool.query<{ events: number; seconds: number }>(
      `SELECT count(*)::int AS events,
              coalesce(greatest(extract(epoch FROM now() - min(at)), 0), 0)::float AS seconds FROM outbox`,
    );
    return { events: rows[0]?.events ?? 0, oldestSeconds: rows[0]?.seconds ?? 0 };
  }
}

interface OutboxRow {
  seq: string;
  type: OutboxEvent["type"];
  team: string;
  form_id: string;
  response_id: string | null;
  revision: number | null;
  at: Date;
  data: string;
}

async function oldest(client: PoolClient, lane: number): Promise<OutboxEvent[]> {
  const { rows } = await client.query<OutboxRow>(OLDEST, [lane, BATCH_EVENTS_MAX, BATCH_BYTES_MAX]);
  return rows.map(({ seq, type, team, form_id, response_id, revision, at, data }) => ({
    seq,
    type,
    team,
    formId: form_id,
    responseId: response_id,
    revision,
    at: at.toISOString(),
    data,
  }));
}
