import type { Logger } from "@plugboard/runtime";
import type { Pool } from "pg";

/**
 * Has a process outlive its database's connections. One that breaks is replaced at its next use, or its next statement tells; one
 * that breaks without a listener, idle or held between two statements of a transaction, would end the process.
 */
export function outliveConnections(pool: Pool, logger: Logger): void {
  const tell = (error: Error) => logger.debug({ error }, "a database connection broke");
  pool.on("error", tell);
  pool.on("connect", (client) => client.on("error", tell));
}
