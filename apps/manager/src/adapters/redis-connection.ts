import type { Logger } from "@plugboard/runtime";
import { Redis } from "ioredis";

/** Deadline of one command, milliseconds; the largest is a rebuild's page of about a megabyte. */
const COMMAND_MS_MAX = 1_000;
const CONNECT_MS_MAX = 2_000;
const RECONNECT_MS_MAX = 1_000;

/**
 * A Redis connection that fails fast: nothing is queued while Redis is away, nothing is sent again after a reconnect
 * (every writer knows for itself what to repeat), and it reconnects for ever.
 */
export function createRedis(url: string, logger: Logger): Redis {
  const redis = new Redis(url, {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_MS_MAX,
    connectTimeout: CONNECT_MS_MAX,
    retryStrategy: (attempt) => Math.min(RECONNECT_MS_MAX, attempt * 50),
  });
  redis.on("error", (error) => logger.debug({ error }, "redis"));
  redis.on("close", () => logger.warn("redis: connection lost"));
  redis.on("ready", () => logger.info("redis: connected"));
  return redis;
}
