import { Redis } from "ioredis";

/** Pause before another attempt to connect, milliseconds. */
const RECONNECT_MS_MAX = 1_000;

/**
 * A connection as the routing table wants it: nothing waits in a queue while Redis is away, nothing is sent twice, and
 * reconnecting never gives up.
 */
export function routingRedis(url: string): Redis {
  return new Redis(url, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 1_000,
    connectTimeout: 2_000,
    retryStrategy: (times) => Math.min(times * 50, RECONNECT_MS_MAX),
  });
}
