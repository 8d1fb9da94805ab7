import { createHash } from "node:crypto";
import type { Pool, PoolClient } from "pg";
import { SDK_MIGRATIONS } from "./sdk-migrations.ts";

/**
 * Brings a plugin's schema up to date: the SDK's own tables, then the plugin's migrations, each once, in order, each in
 * a transaction with its record. Instances that start together take turns under an advisory lock.
 *
 * A migration that was applied must not be edited: its checksum is compared. More migrations applied than known is
 * fine, for an older version of the plugin may run beside a newer one.
 */
export async function migrate(pool: Pool, schema: string, pluginMigrations: readonly string[]): Promise<void> {
  const client = await pool.connect();
  const lock = `plugboard:migrate:${schema}`;
  try {
    await client.query("SELECT pg_advisory_lock(hashtextextended($1, 0))", [lock]);
    try {
      await client.query(`CREATE SCHEMA IF NOT EXISTS "${schema}"`);
      await client.query(`CREATE TABLE IF NOT EXISTS sdk_migrations (
        owner text NOT NULL, number int NOT NULL, checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (owner, number))`);
      await applyAll(client, "sdk", SDK_MIGRATIONS);
      await applyAll(client, "plugin", pluginMigrations);
    } finally {
      await client.query("SELECT pg_advisory_unlock(hashtextextended($1, 0))", [lock]);
    }
  } finally {
    client.release();
  }
}

async function applyAll(client: PoolClient, owner: "sdk" | "plugin", migrations: readonly string[]): Promise<void> {
  const { rows } = await client.query<{ number: number; checksum: string }>(
    "SELECT number, checksum FROM sdk_migrations WHERE owner = $1",
    [owner],
  );
  const applied = new Map(rows.map(({ number, checksum }) => [number, checksum]));
  for (const [index, sql] of migrations.entries()) {
    const number = index + 1;
    const checksum = createHash("sha256").update(sql).digest("hex");
    const known = applied.get(number);
    if (known === checksum) continue;
    if (known !== undefined) {
      throw new Error(
        `migration ${number} of the ${owner} was edited after it had been applied: add a new one instead`,
      );
    }
    await applyOne(client, owner, number, sql, checksum);
  }
}

async function applyOne(client: PoolClient, owner: string, number: number, sql: string, checksum: string) {
  await client.query("BEGIN");
  try {
    await client.query(sql);
    await client.query("INSERT INTO sdk_migrations (owner, number, checksum) VALUES ($1, $2, $3)", [
      owner,
      number,
      checksum,
    ]);
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw new Error(`migration ${number} of the ${owner} failed: ${(error as Error).message}`, { cause: error });
  }
}
