import { randomBytes } from "node:crypto";
import { Client } from "pg";

/** A database of a harness's own in a real Postgres. `drop` removes it, also while connections to it are open. */
export async function harnessDatabase(databaseUrl: string | undefined) {
  if (databaseUrl === undefined) {
    throw new Error("the harness needs a Postgres: `npm test -- <path>` brings one up and sets DATABASE_URL");
  }
  const name = `harness_${randomBytes(6).toString("hex")}`;
  await runOn(databaseUrl, `CREATE DATABASE ${name}`);
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => runOn(databaseUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function runOn(databaseUrl: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
