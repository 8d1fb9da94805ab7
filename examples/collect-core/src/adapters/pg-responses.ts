import type { Pool } from "pg";
import type { IdempotencyKey, KeyedResponse, PageRequest, ResponseFilter, Responses } from "../domain/ports.ts";
import {
  flagsOf,
  type NewRevision,
  type Page,
  type ResponseDetail,
  type ResponseSummary,
  type StoredFlag,
  type StoredRevision,
} from "../domain/response.ts";
import { pageOf, violates } from "./database.ts";
import { outboxLane } from "./outbox-lane.ts";

/** What both ways of writing a revision share: the revision itself, its event and its sync flags. */
const REVISION_EVENT_AND_FLAGS = `
  revision AS (
    INSERT INTO revisions (response_id, revision, data, sync, collector, at) SELECT id, $5, $7, $8, $4, $6 FROM response
  ), event AS (
    INSERT INTO outbox (lane, type, team, form_id, response_id, revision, at, bytes)
    SELECT $9, $10, $3, $2, id, $5, $6, $11 FROM response
  ), flagged AS (
    INSERT INTO flags (response_id, revision, plugin, rule, message, fields, outdated, collector, form_id, response_seq, at)
    SELECT response.id, $5, f.plugin, f.rule, f.message, f.fields, false, $4, $2, response.seq, $6
    FROM response, json_to_recordset($12) AS f (plugin text, rule text, message text, fields json)
    ON CONFLICT DO NOTHING
  )
  SELECT id FROM response`;

const INSERT = `
  WITH response AS (
    INSERT INTO responses (id, form_id, team, collector, revision, submitted_at, updated_at, idempotency_key, fingerprint)
    VALUES ($1, $2, $3, $4, $5, $6, $6, $13, $14)
    RETURNING id, seq
  ), ${REVISION_EVENT_AND_FLAGS}`;

/** The row lock taken here puts corrections of one response in a queue: the loser finds another revision than it read. */
const REVISE = `
  WITH response AS (
    UPDATE responses SET revision = $5, collector = $4, updated_at = $6
    WHERE id = $1 AND form_id = $2 AND team = $3 AND revision = $5 - 1 AND deleted_at IS NULL
    RETURNING id, seq
  ), ${REVISION_EVENT_AND_FLAGS}`;

const REMOVE = `
  WITH response AS (
    UPDATE responses SET revision = $2, updated_at = $3, deleted_at = $3
    WHERE id = $1 AND revision = $2 - 1 AND deleted_at IS NULL
    RETURNING id, team, form_id, collector
  ), revision AS (
    INSERT INTO revisions (response_id, revision, data, collector, at)
    SELECT id, $2, json_build_object('answers', '{}'::json, 'collector', collector), collector, $3 FROM response
  ), event AS (
    INSERT INTO outbox (lane, type, team, form_id, response_id, revision, at, bytes)
    SELECT $4, 'onResponseDelete', team, form_id, id, $2, $3, 100 FROM response
  )
  SELECT id FROM response`;

const SUMMARY = `
  SELECT r.seq, r.id, r.form_id, r.team, r.collector, r.revision, r.submitted_at, r.updated_at,
         (SELECT count(*)::int FROM flags WHERE response_id = r.id AND revision = r.revision) AS open_flags
  FROM responses AS r`;

/** Driven by the flags: with few flagged among many responses, no unflagged one is read. */
const LIST_FLAGGED = `
  ${SUMMARY}
  WHERE r.deleted_at IS NULL AND r.seq IN (
    SELECT DISTINCT f.response_seq
    FROM flags AS f JOIN responses AS c ON c.id = f.response_id AND c.revision = f.revision AND c.deleted_at IS NULL
    WHERE NOT f.outdated AND ($3::text IS NULL OR f.form_id = $3) AND ($1::bigint IS NULL OR f.response_seq < $1)
    ORDER BY f.response_seq DESC LIMIT $2
  )
  ORDER BY r.seq DESC`;

const LIST = `
  ${SUMMARY}
  WHERE r.deleted_at IS NULL AND ($3::text IS NULL OR r.form_id = $3) AND ($1::bigint IS NULL OR r.seq < $1)
  ORDER BY r.seq DESC LIMIT $2`;

/** Responses in Postgres. Every write is one statement: a response, its flags and its event are stored together or not. */
export class PgResponses implements Responses {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async insert(revision: NewRevision, key: IdempotencyKey | null): Promise<boolean> {
    const values = [...revisionValues(revision, "onResponse"), key?.key ?? null, key?.fingerprint ?? null];
    try {
      await this.#pool.query({ name: "insert-response", text: INSERT, values });
      return true;
    } catch (error) {
      if (violates(error, "responses_idempotency")) return false;
      throw error;
    }
  }

  async revise(revision: NewRevision): Promise<boolean> {
    const { rowCount } = await this.#pool.query(REVISE, revisionValues(revision, "onResponseUpdate"));
    return rowCount === 1;
  }

  async remove(responseId: string, revision: number, at: string): Promise<boolean> {
    const { rowCount } = await this.#pool.query(REMOVE, [responseId, revision, at, outboxLane(responseId)]);
    return rowCount === 1;
  }

  async findByKey(formId: string, key: string): Promise<KeyedResponse | null> {
    const { rows } = await this.#pool.query<KeyedResponse>(
      `SELECT id AS "responseId", fingerprint FROM responses WHERE form_id = $1 AND idempotency_key = $2`,
      [formId, key],
    );
    return rows[0] ?? null;
  }

  async summary(id: string): Promise<ResponseSummary | null> {
    const { rows } = await this.#pool.query<SummaryRow>(`${SUMMARY} WHERE r.id = $1 AND r.deleted_at IS NULL`, [id]);
    return rows[0] === undefined ? null : summaryOf(rows[0]);
  }

  async detail(id: string): Promise<ResponseDetail | null> {
    const [summary, revisions, flags] = await Promise.all([
      this.summary(id),
      this.#pool.query<RevisionRow>(
        `SELECT revision, data, collector, sync, at FROM revisions WHERE response_id = $1 ORDER BY revision DESC LIMIT ${REVISIONS_SHOWN_MAX}`,
        [id],
      ),
      this.#pool.query<FlagRow>(
        `SELECT plugin, rule, message, fields, revision, outdated, at FROM flags
         WHERE response_id = $1 ORDER BY seq DESC LIMIT ${FLAGS_SHOWN_MAX}`,
        [id],
      ),
    ]);
    if (summary === null) return null;
    return {
      ...summary,
      revisions: revisions.rows.map(revisionOf),
      flags: flags.rows.map((row) => storedFlagOf(row, summary.revision)),
    };
  }

  async list({ formId, flagged }: ResponseFilter, { after, limit }: PageRequest): Promise<Page<ResponseSummary>> {
    const { rows } = await this.#pool.query<SummaryRow>(flagged ? LIST_FLAGGED : LIST, [after, limit + 1, formId]);
    return pageOf(rows, limit, summaryOf);
  }
}

/** Of one response; older ones stay in the database. */
const REVISIONS_SHOWN_MAX = 50;
const FLAGS_SHOWN_MAX = 500;

function revisionValues(revision: NewRevision, type: "onResponse" | "onResponseUpdate"): unknown[] {
  const { responseId, formId, team, collector, revision: number, at, data, sync } = revision;
  return [
    responseId,
    formId,
    team,
    collector,
    number,
    at,
    data,
    JSON.stringify(sync),
    outboxLane(responseId),
    type,
    Buffer.byteLength(data),
    JSON.stringify(flagsOf(sync)),
  ];
}

interface SummaryRow {
  seq: string;
  id: string;
  form_id: string;
  team: string;
  collector: string | null;
  revision: number;
  submitted_at: Date;
  updated_at: Date;
  open_flags: number;
}

interface RevisionRow extends Pick<StoredRevision, "revision" | "sync" | "collector"> {
  data: Pick<StoredRevision, "answers">;
  at: Date;
}

export interface FlagRow extends Omit<StoredFlag, "state" | "at"> {
  outdated: boolean;
  at: Date;
}

function summaryOf(row: SummaryRow): ResponseSummary {
  const { id, form_id, team, collector, revision, submitted_at, updated_at, open_flags } = row;
  return {
    id,
    formId: form_id,
    team,
    collector,
    revision,
    submittedAt: submitted_at.toISOString(),
    updatedAt: updated_at.toISOString(),
    openFlags: open_flags,
  };
}

function revisionOf({ revision, data, collector, sync, at }: RevisionRow): StoredRevision {
  return { revision, answers: data.answers, collector, sync, at: at.toISOString() };
}

/** A flag with its state, which follows from the response's current revision. */
export function storedFlagOf({ outdated, at, ...flag }: FlagRow, currentRevision: number): StoredFlag {
  const state = outdated ? "outdated" : flag.revision === currentRevision ? "open" : "resolved";
  return { ...flag, state, at: at.toISOString() };
}
