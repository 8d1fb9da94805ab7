import { Client } from "pg";
import type { Effects } from "./report.ts";
import type { Vendors } from "./vendors.ts";

/** Where the google-sheets plugin keeps a response's id: the first column. */
const RESPONSE_ID_COLUMN = 0;
/** How a text names its response; see the templates in the scenario. */
const REFERENCE = /Ref (\S+)$/;
const QUERY_DEADLINE_MS = 30_000;

/**
 * Counts what a run left behind: in the core's database, in the emulated spreadsheets and among the emulated texts.
 * @param run the prefix of the idempotency keys that the run submitted under.
 */
export async function readEffects(
  databaseUrl: string,
  run: string,
  vendors: Vendors,
  spreadsheets: Iterable<string>,
): Promise<Effects> {
  const database = new Client({ connectionString: databaseUrl, query_timeout: QUERY_DEADLINE_MS });
  await database.connect();
  try {
    const { rows: stored } = await database.query<{ id: string; flagged: boolean }>(
      `SELECT id, EXISTS (SELECT FROM collect_core.flags WHERE response_id = responses.id) AS flagged
       FROM collect_core.responses WHERE idempotency_key LIKE $1 || '-%'`,
      [run],
    );
    const ids = new Set(stored.map(({ id }) => id));
    return {
      stored: ids.size,
      flagged: stored.filter(({ flagged }) => flagged).length,
      perPlugin: new Map([
        ["google-sheets", countOwn(ids, rowsOf(vendors, spreadsheets))],
        [
          "sms",
          countOwn(
            ids,
            vendors.twilio.messages.map(({ body }) => REFERENCE.exec(body)?.[1]),
          ),
        ],
      ]),
    };
  } finally {
    await database.end();
  }
}

function* rowsOf(vendors: Vendors, spreadsheets: Iterable<string>): Generator<string> {
  for (const id of spreadsheets) {
    for (const sheet of vendors.google.spreadsheet(id).sheets) {
      for (let row = 0; row < sheet.lastRow; row += 1) yield String(sheet.get(row, RESPONSE_ID_COLUMN));
    }
  }
}

function countOwn(own: ReadonlySet<string>, ids: Iterable<string | undefined>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) if (id !== undefined && own.has(id)) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}
