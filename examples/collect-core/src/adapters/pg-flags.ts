import type { CoreCommand } from "@plugboard/contract";
import type { Pool } from "pg";
import { type CommandOutcome, malformed } from "../domain/core-command.ts";
import type { Flags, PageRequest } from "../domain/ports.ts";
import type { CollectorFlag, Page } from "../domain/response.ts";
import { pageOf } from "./database.ts";
import { type FlagRow, storedFlagOf } from "./pg-responses.ts";

/**
 * One statement: the command's id and its flags are stored together or not, so a repeated command finds its id and does
 * nothing. The team must be the response's: a plugin cannot flag another team's responses. A flag that a sync plugin raised
 * already in the submit is the same flag.
 */
const APPLY = `
  WITH response AS (
    SELECT r.id, r.seq, r.form_id, r.collector, coalesce($3::int, r.revision) AS revision,
           coalesce($3::int, r.revision) < r.revision OR r.deleted_at IS NOT NULL AS outdated
    FROM responses AS r WHERE r.id = $1 AND r.team = $2
  ), command AS (
    INSERT INTO commands (id) SELECT $4 FROM response ON CONFLICT DO NOTHING RETURNING id
  ), flagged AS (
    INSERT INTO flags (response_id, revision, plugin, rule, message, fields, outdated, collector, form_id, response_seq, at)
    SELECT r.id, r.revision, $5, f.rule, f.message, f.fields, r.outdated,
           coalesce(v.collector, r.collector), r.form_id, r.seq, now()
    FROM command, response AS r
    LEFT JOIN revisions AS v ON v.response_id = r.id AND v.revision = r.revision,
    json_to_recordset($6) AS f (rule text, message text, fields json)
    ON CONFLICT DO NOTHING
  )
  SELECT outdated, EXISTS (SELECT FROM command) AS fresh FROM response`;

const OF_COLLECTOR = `
  SELECT f.seq, f.response_id, f.form_id, f.plugin, f.rule, f.message, f.fields, f.revision, f.outdated, f.at
  FROM flags AS f JOIN responses AS r ON r.id = f.response_id AND r.revision = f.revision AND r.deleted_at IS NULL
  WHERE f.collector = $3 AND NOT f.outdated AND ($1::bigint IS NULL OR f.seq < $1)
  ORDER BY f.seq DESC LIMIT $2`;

/** Flags in Postgres. */
export class PgFlags implements Flags {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async ofCollector(collector: string, { after, limit }: PageRequest): Promise<Page<CollectorFlag>> {
    type Row = FlagRow & { seq: string; response_id: string; form_id: string };
    const { rows } = await this.#pool.query<Row>(OF_COLLECTOR, [after, limit + 1, collector]);
    return pageOf(rows, limit, ({ seq: _, response_id, form_id, ...flag }) => ({
      responseId: response_id,
      formId: form_id,
      ...storedFlagOf(flag, flag.revision),
    }));
  }

  async apply(command: CoreCommand): Promise<CommandOutcome> {
    const { id, responseId, team, revision, plugin, flags } = command;
    let row: AppliedRow | undefined;
    try {
      const values = [responseId, team, revision, id, plugin, JSON.stringify(flags)];
      const { rows } = await this.#pool.query<AppliedRow>({ name: "apply-flags", text: APPLY, values });
      row = rows[0];
    } catch (error) {
      if (isDataException(error)) return malformed([(error as Error).message]);
      throw error;
    }
    if (row === undefined) {
      return { kind: "refused", reason: "unknown-response", problems: [`team ${team} has no response ${responseId}`] };
    }
    if (!row.fresh) return { kind: "repeated" };
    return { kind: row.outdated ? "outdated" : "applied" };
  }
}

interface AppliedRow {
  readonly outdated: boolean;
  readonly fresh: boolean;
}

/** SQLSTATE class 22: a value that Postgres cannot hold, such as a revision of 1.5. No retry would help. */
function isDataException(error: unknown): boolean {
  return (error as { code?: string }).code?.startsWith("22") ?? false;
}
