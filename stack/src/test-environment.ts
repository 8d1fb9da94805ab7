import { randomBytes } from "node:crypto";
import { Client } from "pg";

/** Addresses of the stack the tests run against. */
export interface StackAddresses {
  /** host:port,host:port */
  readonly kafkaBrokers: string;
  readonly redisUrl: string;
  readonly databaseUrl: string;
}

/**
 * The stack that `npm test` brought up, from the environment.
 * @throws when a test is run without it, with the command to use.
 */
export function testEnvironment(): StackAddresses {
  const { KAFKA_BROKERS: kafkaBrokers, REDIS_URL: redisUrl, DATABASE_URL: databaseUrl } = process.env;
  if (kafkaBrokers === undefined || redisUrl === undefined || databaseUrl === undefined) {
    throw new Error("this test needs the real stack: run it with `npm test -- <path>`");
  }
  return { kafkaBrokers, redisUrl, databaseUrl };
}

/** A name no other test uses: for topics, groups, namespaces and databases. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(5).toString("hex")}`;
}

/** A database of a test's own. `drop` removes it, also while connections to it are open. */
export async function createTestDatabase(): Promise<{ readonly url: string; readonly drop: () => Promise<void> }> {
  const { databaseUrl } = testEnvironment();
  const name = uniqueName("test").replaceAll("-", "_");
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
