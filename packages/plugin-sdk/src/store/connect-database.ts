import { createHash } from "node:crypto";
import { Failure } from "@plugboard/contract";
import type { Logger } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, retry } from "cockatiel";
import { Pool } from "pg";
import { outliveConnections } from "./broken-connections.ts";

/** A plugin's own corner of Postgres: one schema, two pools. */
export interface PluginDatabase {
  readonly schema: string;
  /** The SDK's. Apart from the handlers', so that handlers that hold every connection cannot stop settlement. */
  readonly sdk: Pool;
  /** The handlers' (`context.db`). */
  readonly handlers: Pool;
  /** Waits a while for a database that is still starting. @throws Failure `startup-resource`. */
  connect(): Promise<void>;
  close(): Promise<void>;
}

/** Connections per process: with Postgres' default of 100, five processes fit beside the manager and the core. */
const SDK_CONNECTIONS_MAX = 6;
/** More than one team's share of the default PLUGIN_CONCURRENCY: a team whose handlers hang holding one each leaves some. */
const HANDLER_CONNECTIONS_MAX = 10;
const CONNECT_DEADLINE_MS = 5_000;
const STATEMENT_DEADLINE_MS = 30_000;
/** Tries of the first connection: with the back-off below about 20 s, then the start fails. */
const CONNECT_ATTEMPTS_MAX = 8;
/** Postgres cuts longer identifiers, silently. */
const IDENTIFIER_LENGTH_MAX = 63;

/** The schema of a plugin: `plugin_<id>` with `-` as `_`; ids too long for an identifier end in a hash of the id. */
export function schemaOf(pluginId: string): string {
  const name = `plugin_${pluginId.replaceAll("-", "_")}`;
  if (name.length <= IDENTIFIER_LENGTH_MAX) return name;
  const hash = createHash("sha256").update(pluginId).digest("hex").slice(0, 12);
  return `${name.slice(0, IDENTIFIER_LENGTH_MAX - hash.length - 1)}_${hash}`;
}

/**
 * The pools, not connected yet. The schema is on every connection's `search_path`; it is created by `migrate`.
 */
export function openDatabase(url: string, pluginId: string, logger: Logger): PluginDatabase {
  const schema = schemaOf(pluginId);
  const open = (max: number) => {
    const pool = new Pool({
      connectionString: withSearchPath(url, schema),
      max,
      connectionTimeoutMillis: CONNECT_DEADLINE_MS,
      statement_timeout: STATEMENT_DEADLINE_MS,
      query_timeout: STATEMENT_DEADLINE_MS + 5_000,
      idle_in_transaction_session_timeout: 60_000,
      application_name: `plugboard-${pluginId}`,
    });
    outliveConnections(pool, logger);
    return pool;
  };
  const sdk = open(SDK_CONNECTIONS_MAX);
  const handlers = open(HANDLER_CONNECTIONS_MAX);
  const close = async () => {
    await Promise.all([sdk.end(), handlers.end()]);
  };
  const connect = async () => {
    const policy = retry(handleAll, {
      maxAttempts: CONNECT_ATTEMPTS_MAX,
      backoff: new ExponentialBackoff({ initialDelay: 200, maxDelay: 5_000 }),
    });
    try {
      await policy.execute(() => sdk.query("SELECT 1"));
    } catch (error) {
      throw new Failure("startup-resource", `Postgres (DATABASE_URL): ${(error as Error).message}`, { cause: error });
    }
  };
  return { schema, sdk, handlers, connect, close };
}

function withSearchPath(url: string, schema: string): string {
  const address = new URL(url);
  const options = [address.searchParams.get("options"), `-c search_path=${schema}`].filter((item) => item !== null);
  address.searchParams.set("options", options.join(" "));
  return address.href;
}
