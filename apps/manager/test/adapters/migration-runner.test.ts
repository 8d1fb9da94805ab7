import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createTestDatabase } from "@plugboard/stack";
import { Client } from "pg";
import { applyMigrations, MigrationError } from "../../src/adapters/migration-runner.ts";

const SHIPPED = join(import.meta.dirname, "../../../../prisma/migrations");

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let directory: string;
let client: Client;
beforeEach(async () => {
  [database, directory] = await Promise.all([createTestDatabase(), mkdtemp(join(tmpdir(), "migrations-"))]);
  client = new Client({ connectionString: database.url });
  client.on("error", () => {});
  await client.connect();
});
afterEach(async () => {
  await client.end();
  await Promise.all([database.drop(), rm(directory, { recursive: true })]);
});

async function write(name: string, sql: string): Promise<string> {
  await mkdir(join(directory, name), { recursive: true });
  await writeFile(join(directory, name, "migration.sql"), sql);
  return createHash("sha256").update(sql).digest("hex");
}
const rows = async () => (await client.query('SELECT * FROM "_prisma_migrations" ORDER BY migration_name')).rows;
const tables = async () =>
  (await client.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")).rows.map(
    ({ tablename }) => tablename,
  );

test("applies what is missing in order, and writes the rows that prisma migrate deploy writes", async () => {
  const first = await write("20260101000000_first", "CREATE TABLE one (id int);");
  const second = await write(
    "20260102000000_second",
    "ALTER TABLE one ADD COLUMN name text; CREATE TABLE two (id int);",
  );
  await writeFile(join(directory, "migration_lock.toml"), 'provider = "postgresql"');
  expect(await applyMigrations(database.url, directory)).toEqual(["20260101000000_first", "20260102000000_second"]);
  expect(await rows()).toEqual(
    [
      ["20260101000000_first", first],
      ["20260102000000_second", second],
    ].map(([migration_name, checksum]) => ({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      checksum,
      migration_name,
      finished_at: expect.any(Date),
      started_at: expect.any(Date),
      logs: null,
      rolled_back_at: null,
      applied_steps_count: 1,
    })),
  );
  expect(await applyMigrations(database.url, directory)).toEqual([]);
});

test("goes on where prisma migrate deploy stopped", async () => {
  const checksum = await write("20260101000000_first", "CREATE TABLE one (id int);");
  await write("20260102000000_second", "CREATE TABLE two (id int);");
  await applyMigrations(database.url, directory);
  await client.query('DROP TABLE two; DELETE FROM "_prisma_migrations"');
  await client.query(
    `INSERT INTO "_prisma_migrations" (id, checksum, migration_name, finished_at, applied_steps_count)
     VALUES ('6a1b4bb0-0000-4000-8000-000000000000', $1, '20260101000000_first', now(), 1)`,
    [checksum],
  );
  expect(await applyMigrations(database.url, directory)).toEqual(["20260102000000_second"]);
});

test("a failing file leaves nothing, and the ones before it stay", async () => {
  await write("20260101000000_first", "CREATE TABLE one (id int);");
  await write("20260102000000_fails", "CREATE TABLE two (id int); SELECT nonsense();");
  const failing = applyMigrations(database.url, directory);
  await expect(failing).rejects.toThrow(MigrationError);
  await expect(failing).rejects.toThrow(/20260102000000_fails failed and left nothing behind.*nonsense/);
  expect(await tables()).toEqual(["_prisma_migrations", "one"]);
  expect((await rows()).map(({ migration_name: name }) => name)).toEqual(["20260101000000_first"]);
  await write("20260102000000_fails", "CREATE TABLE two (id int);");
  expect(await applyMigrations(database.url, directory)).toEqual(["20260102000000_fails"]);
});

test("a file that was edited after it was applied is refused, and nothing after it is applied", async () => {
  await write("20260101000000_first", "CREATE TABLE one (id int);");
  await applyMigrations(database.url, directory);
  await write("20260101000000_first", "CREATE TABLE one (id bigint);");
  await write("20260102000000_second", "CREATE TABLE two (id int);");
  await expect(applyMigrations(database.url, directory)).rejects.toThrow(/20260101000000_first was edited/);
  expect(await tables()).not.toContain("two");
});

test("a database that is ahead of the files is refused", async () => {
  await write("20260101000000_first", "CREATE TABLE one (id int);");
  await applyMigrations(database.url, directory);
  await rm(join(directory, "20260101000000_first"), { recursive: true });
  await expect(applyMigrations(database.url, directory)).rejects.toThrow(/file is missing/);
});

test("a migration that another tool began and did not finish is refused", async () => {
  await write("20260101000000_first", "CREATE TABLE one (id int);");
  await applyMigrations(database.url, directory);
  await client.query('UPDATE "_prisma_migrations" SET finished_at = NULL');
  await expect(applyMigrations(database.url, directory)).rejects.toThrow(/did not finish/);
});

test("two runs at once apply each file once", async () => {
  await cp(SHIPPED, directory, { recursive: true });
  const applied = await Promise.all([
    applyMigrations(database.url, directory),
    applyMigrations(database.url, directory),
  ]);
  expect(applied.flat()).toHaveLength((await rows()).length);
});

test("the shipped migrations give every table and column of the Prisma schema", async () => {
  await applyMigrations(database.url, SHIPPED);
  const schema = await readFile(join(SHIPPED, "../schema.prisma"), "utf8");
  const { rows: columns } = await client.query(
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'",
  );
  const found = columns
    .filter(({ table_name: table }) => table !== "_prisma_migrations")
    .map(({ table_name: table, column_name: column }) => `${table}.${column}`);
  expect(found.toSorted()).toEqual(columnsOf(schema).toSorted());
});

/** Columns as a Prisma schema names them; relations, which are of a model's type, are none. */
function columnsOf(schema: string): string[] {
  const models = [...schema.matchAll(/^model (\w+) \{\n([\s\S]*?)^\}/gm)];
  const names = new Set(models.map(([, name]) => name));
  return models.flatMap(([, , body = ""]) => {
    const table = /@@map\("(\w+)"\)/.exec(body)?.[1];
    return body.split("\n").flatMap((line) => {
      const [, field, type = ""] = /^ {2}(\w+)\s+(\w+)/.exec(line) ?? [];
      if (field === undefined || names.has(type)) return [];
      return [`${table}.${/@map\("(\w+)"\)/.exec(line)?.[1] ?? field}`];
    });
  });
}
