import type { Logger } from "@plugboard/runtime";
import { PrismaPg } from "@prisma/adapter-pg";
import { Prisma, PrismaClient } from "../generated/prisma/client.ts";

export type Database = PrismaClient;
export type Transaction = Prisma.TransactionClient;

/** Longest a request waits for a connection of the pool, and for Postgres to accept one, milliseconds. */
const CONNECTION_WAIT_MS_MAX = 5_000;
/** Longest a transaction of a request may take, milliseconds: a few statements, and its turn at a row lock. */
const TRANSACTION_MS_MAX = 10_000;

/**
 * A Prisma client with a pool of its own.
 * @param connectionsMax the pool's size.
 */
export function createDatabase(url: string, connectionsMax: number, logger: Logger): Database {
  const adapter = new PrismaPg(
    {
      connectionString: url,
      max: connectionsMax,
      connectionTimeoutMillis: CONNECTION_WAIT_MS_MAX,
      idleTimeoutMillis: 30_000,
      keepAlive: true,
      application_name: "plugboard-manager",
    },
    {
      onPoolError: (error) => logger.warn({ error }, "an idle database connection broke"),
      onConnectionError: (error) => logger.warn({ error }, "a database connection broke"),
    },
  );
  return new PrismaClient({
    adapter,
    transactionOptions: { maxWait: CONNECTION_WAIT_MS_MAX, timeout: TRANSACTION_MS_MAX },
  });
}

/** A value for a nullable JSON column. */
export function nullableJson(value: object | null): Prisma.InputJsonValue | typeof Prisma.DbNull {
  return value === null ? Prisma.DbNull : (value as Prisma.InputJsonValue);
}

/**
 * Prisma's codes for "cannot be reached", "timed out", "closed the connection", "too many connections", and "no connection
 * of the pool, or no transaction, in time".
 */
const OUTAGE_CODES = new Set(["P1001", "P1002", "P1008", "P1011", "P1017", "P2024", "P2028", "P2037"]);
/** Node's and Postgres' own, for what the driver reports unwrapped: refused, reset, and shutting down or starting up. */
const DRIVER_CODES = /^(ECONN\w+|ETIMEDOUT|ENOTFOUND|EPIPE|57P0[1-3]|08\w{3}|53300)$/;

/** What the adapter calls the same where Prisma passes its error on as it is. */
const ADAPTER_KINDS = new Set(["DatabaseNotReachable", "ConnectionClosed", "SocketTimeout", "TooManyConnections"]);
/** The driver's errors that carry no code at all, when a connection breaks under a query or is not had in time. */
const DRIVER_MESSAGES =
  /^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying)/;

/** Whether an error only says that the database does not answer now. */
export function isDatabaseOutage(error: unknown): boolean {
  if (error instanceof Prisma.PrismaClientInitializationError) return true;
  if (typeof error !== "object" || error === null) return false;
  const { code, kind, message } = error as Record<"code" | "kind" | "message", unknown>;
  if (typeof code === "string" && (OUTAGE_CODES.has(code) || DRIVER_CODES.test(code))) return true;
  if (typeof kind === "string" && ADAPTER_KINDS.has(kind)) return true;
  if (typeof message === "string" && DRIVER_MESSAGES.test(message)) return true;
  return innerErrors(error).some(isDatabaseOutage);
}

/** Prisma keeps the driver's error as `cause`, or in `meta` where it has no code of its own for it (P2039). */
function innerErrors(error: object): unknown[] {
  const { cause, meta } = error as { cause?: unknown; meta?: { driverAdapterError?: unknown } };
  return [cause, meta?.driverAdapterError].filter((inner) => inner !== undefined && inner !== error);
}
