import { Pool, type PoolClient } from "pg";
import { MIGRATIONS } from "./migrations.ts";

/** The schema everything of this core lives in. */
const SCHEMA = "collect_core";
/** Connections of one instance; submissions beyond it wait in the pool. */
const CONNECTIONS_MAX = 20;
/** Held while migrating, so that instances starting together do it one after the other. Any number of our own. */
const MIGRATION_LOCK = 427_300;
/** A frozen instance loses the lanes it holds after this, milliseconds; well over Kafka's own time to give up. */
const IDLE_IN_TRANSACTION_MS = 120_000;

/** A pool whose every connection works in the core's schema. */
export function createPool(url: string): Pool {
  return new Pool({
    connectionString: url,
    max: CONNECTIONS_MAX,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 15_000,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    keepAlive: true,
    application_name: "collect-core",
    options: `-c search_path=${SCHEMA}`,
  });
}

/** Applies the migrations that are missing; harmless when several instances do it at once. */
export async function migrate(pool: Pool): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query("SELECT pg_advisory_xact_lock($1)", [MIGRATION_LOCK]);
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${SCHEMA}`);
    await client.query(
      "CREATE TABLE IF NOT EXISTS migrations (version int PRIMARY KEY, applied_at timestamptz NOT NULL)",
    );
    const { rows } = await client.query<{ applied: number }>("SELECT count(*)::int AS applied FROM migrations");
    const applied = rows[0]?.applied ?? 0;
    for (const [index, sql] of MIGRATIONS.entries()) {
      if (index < applied) continue;
      await client.query(sql);
      await client.query("INSERT INTO migrations VALUES ($1, now())", [index + 1]);
    }
  });
}

/** Commits what `work` did when it resolves; takes all of it back when it rejects. */
export async function inTransaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  // A connection that breaks while it is checked out reports it here as well as to its query; the query's is enough.
  const ignore = () => {};
  client.on("error", ignore);
  let broken: Error | undefined;
  try {
    await client.query("BEGIN");
    const result = await work(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK").catch((rollbackError: Error) => {
      broken = rollbackError;
    });
    throw error;
  } finally {
    client.off("error", ignore);
    client.release(broken);
  }
}

/** Node's and Postgres' own codes for "not there now": refused, reset, shutting down, starting up, too many connections. */
const OUTAGE_CODES = /^(ECONN\w+|ETIMEDOUT|ENOTFOUND|EPIPE|57P0[1-3]|08\w{3}|53300)$/;
/** The driver's errors that carry no code, when a connection breaks under a query or is not had in time. */
const OUTAGE_MESSAGES =
  /^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying|timeout expired)/;

/** Whether an error only says that the database does not answer now. */
export function isDatabaseOutage(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  const { code, message } = error as Record<"code" | "message", unknown>;
  if (typeof code === "string") return OUTAGE_CODES.test(code);
  return typeof message === "string" && OUTAGE_MESSAGES.test(message);
}

/** What Postgres says when a unique index is violated, and which one. */
export function violates(error: unknown, index: string): boolean {
  const { code, constraint } = error as { code?: string; constraint?: string };
  return code === "23505" && constraint === index;
}

/** Cuts a page out of `limit + 1` rows. */
export function pageOf<Row extends { readonly seq: string }, T>(
  rows: readonly Row[],
  limit: number,
  item: (row: Row) => T,
): { items: T[]; next: string | null } {
  const kept = rows.slice(0, limit);
  return { items: kept.map(item), next: rows.length > limit ? (kept.at(-1)?.seq ?? null) : null };
}
