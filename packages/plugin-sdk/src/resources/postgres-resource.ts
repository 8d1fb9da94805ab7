import { env, setting } from "@plugboard/runtime";
import { Pool } from "pg";
import { outliveConnections } from "../store/broken-connections.ts";
import { type Resource, resource } from "./resource.ts";

export interface PostgresOptions<Critical extends boolean> {
  readonly critical?: Critical;
}

const CONNECT_DEADLINE_MS = 5_000;
const STATEMENT_DEADLINE_MS = 30_000;

/**
 * A Postgres beside the plugin's own, as a pool: `{SERVICE}_{PREFIX}_URL`, `…_CONNECTIONS_MAX`. Not for effects that have to
 * happen once: those belong in `context.db`.
 */
export function postgres<const Critical extends boolean = true>(
  prefix: string,
  options: PostgresOptions<Critical> = {},
): Resource<Pool, NoInfer<Critical>> {
  return resource({
    prefix,
    ...options,
    reopen: false,
    settings: {
      URL: setting(env.url("postgres", "postgresql"), "Postgres of this name.", { secret: true }),
      CONNECTIONS_MAX: setting(env.integer(1, 100).default(5), "Connections to it, of one process."),
    },
    open: async ({ URL: connectionString, CONNECTIONS_MAX: max }, { logger }) => {
      const pool = new Pool({
        connectionString,
        max,
        connectionTimeoutMillis: CONNECT_DEADLINE_MS,
        statement_timeout: STATEMENT_DEADLINE_MS,
        query_timeout: STATEMENT_DEADLINE_MS + 5_000,
      });
      outliveConnections(pool, logger);
      try {
        await pool.query("SELECT 1");
        return pool;
      } catch (error) {
        await pool.end();
        throw error;
      }
    },
    check: (pool) => pool.query("SELECT 1"),
    close: (pool) => pool.end(),
  });
}
