import { env, setting } from "@plugboard/runtime";
import { Redis } from "ioredis";
import { type Resource, resource } from "./resource.ts";

export interface RedisOptions<Critical extends boolean> {
  readonly critical?: Critical;
}

const CONNECT_DEADLINE_MS = 2_000;
const COMMAND_DEADLINE_MS = 5_000;
const RECONNECT_MS_MAX = 2_000;

/**
 * A Redis, as an ioredis client: `{SERVICE}_{PREFIX}_URL`. Nothing waits in a queue while it is away: a command then fails at
 * once. It may be flushed at any time, so it is no place for what must not be lost.
 */
export function redis<const Critical extends boolean = true>(
  prefix: string,
  options: RedisOptions<Critical> = {},
): Resource<Redis, NoInfer<Critical>> {
  return resource({
    prefix,
    ...options,
    reopen: false,
    settings: { URL: setting(env.url("redis", "rediss"), "Redis of this name.", { secret: true }) },
    open: async ({ URL: url }, { logger }) => {
      const client = new Redis(url, {
        lazyConnect: true,
        enableOfflineQueue: false,
        maxRetriesPerRequest: 0,
        connectTimeout: CONNECT_DEADLINE_MS,
        commandTimeout: COMMAND_DEADLINE_MS,
        retryStrategy: (times) => Math.min(times * 50, RECONNECT_MS_MAX),
      });
      // `connect` only says that the connection is closed; this says why. Without a listener ioredis prints each.
      let reason: Error | undefined;
      client.on("error", (error: Error) => {
        reason = error;
        logger.debug({ error }, "a Redis connection broke");
      });
      try {
        await client.connect();
        return client;
      } catch (error) {
        client.disconnect();
        throw reason ?? error;
      }
    },
    check: (client) => client.ping(),
    close: (client) => client.disconnect(),
  });
}
