import { LRUCache } from "lru-cache";
import type { Pool } from "pg";
import {
  type Form,
  type FormBody,
  type FormSummary,
  formEventData,
  loadedForm,
  type Question,
} from "../domain/form.ts";
import type { Forms, PageRequest } from "../domain/ports.ts";
import type { Page } from "../domain/response.ts";
import { pageOf } from "./database.ts";
import { outboxLane } from "./outbox-lane.ts";

/** Forms kept parsed: at a thousand questions each about 200 KiB, so 100 MiB at most. */
const FORMS_KEPT_MAX = 500;

/** Reads the questions only when the version is not the one already known: a thousand of them cost more than a submit. */
const FIND = `
  SELECT team, title, version, CASE WHEN version = $2 THEN NULL ELSE questions END AS questions FROM forms WHERE id = $1`;

/** A new form and its event, or a new version of a form of the same team, in one statement. */
const PUT = `
  WITH form AS (
    INSERT INTO forms (id, team, title, questions, question_count) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (id) DO UPDATE
      SET title = excluded.title, questions = excluded.questions, question_count = excluded.question_count,
          version = forms.version + 1
      WHERE forms.team = excluded.team
    RETURNING id, version
  ), event AS (
    INSERT INTO outbox (lane, type, team, form_id, at, data, bytes)
    SELECT $6, 'onFormCreation', $2, id, now(), $7::json, octet_length($7::text) FROM form WHERE version = 1
  )
  SELECT version FROM form`;

/** Forms in Postgres, the parsed ones kept and checked by version at every use. */
export class PgForms implements Forms {
  readonly #pool: Pool;
  readonly #known = new LRUCache<string, Form>({ max: FORMS_KEPT_MAX });

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async find(id: string): Promise<Form | null> {
    const known = this.#known.get(id);
    const { rows } = await this.#pool.query<FormRow>({ name: "form", text: FIND, values: [id, known?.version ?? 0] });
    const row = rows[0];
    if (row === undefined) return null;
    if (row.questions === null && known !== undefined) return known;
    const { team, title, version, questions } = row;
    const form = loadedForm(id, version, { team, title, questions: questions ?? [] });
    this.#known.set(id, form);
    return form;
  }

  async list({ after, limit }: PageRequest): Promise<Page<FormSummary>> {
    const { rows } = await this.#pool.query<FormSummary & { seq: string }>(
      `SELECT f.seq, f.id, f.team, f.title, f.question_count AS questions,
              (SELECT count(*)::int FROM responses WHERE form_id = f.id AND deleted_at IS NULL) AS responses
       FROM forms AS f WHERE $1::bigint IS NULL OR f.seq > $1 ORDER BY f.seq LIMIT $2`,
      [after, limit + 1],
    );
    return pageOf(rows, limit, ({ seq: _, ...form }) => form);
  }

  async put(id: string, body: FormBody): Promise<"created" | "replaced" | "wrong-team"> {
    const { team, title, questions } = body;
    const { rows } = await this.#pool.query<{ version: number }>(PUT, [
      id,
      team,
      title,
      JSON.stringify(questions),
      questions.length,
      outboxLane(id),
      formEventData(id, body),
    ]);
    const version = rows[0]?.version;
    if (version === undefined) return "wrong-team";
    return version === 1 ? "created" : "replaced";
  }
}

interface FormRow {
  team: string;
  title: string;
  version: number;
  questions: Question[] | null;
}
