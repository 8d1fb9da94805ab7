import { connect } from "node:net";
import { Redis } from "ioredis";
import { Client } from "pg";

/** Longest a service named in the environment may take to answer, milliseconds. */
const ANSWER_MS = 5_000;

/** Throws unless one of the brokers accepts a connection. */
export async function probeKafka(brokers: string): Promise<void> {
  try {
    await Promise.any(brokers.split(",").map((address) => connects(address.trim())));
  } catch (error) {
    const reasons = error instanceof AggregateError ? error.errors.map((one: Error) => one.message) : [String(error)];
    throw new Error(`KAFKA_BROKERS=${brokers}: no broker answers there (${reasons.join("; ")})`);
  }
}

/** Throws unless a Redis answers a PING. */
export async function probeRedis(url: string): Promise<void> {
  const redis = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: ANSWER_MS,
    commandTimeout: ANSWER_MS,
  });
  let reason = "";
  redis.on("error", (error: Error) => {
    reason = error.message;
  });
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    throw new Error(`REDIS_URL names ${hostOf(url)}: no Redis answers there (${reason || (error as Error).message})`);
  } finally {
    redis.disconnect();
  }
}

/** Throws unless a PostgreSQL answers a query. */
export async function probePostgres(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: ANSWER_MS, query_timeout: ANSWER_MS });
  client.on("error", () => {});
  try {
    await client.connect();
    await client.query("SELECT 1");
  } catch (error) {
    const reason = (error as Error).message || (error as NodeJS.ErrnoException).code;
    throw new Error(`DATABASE_URL names ${hostOf(url)}: no PostgreSQL answers there (${reason})`);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Only the host and port: the rest of such a URL may be secret. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : "something that is no URL";
}

function connects(address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const at = address.lastIndexOf(":");
    const socket = connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)), timeout: ANSWER_MS });
    const settle = (done: () => void) => {
      socket.destroy();
      done();
    };
    socket.once("connect", () => settle(resolve));
    socket.once("timeout", () => settle(() => reject(new Error(`${address} does not answer`))));
    socket.once("error", (error) => settle(() => reject(error)));
  });
}
