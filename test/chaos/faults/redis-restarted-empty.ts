import type { Fault } from "./fault.ts";

export const redisRestartedEmpty: Fault = {
  name: "redis-restarted-empty",
  what: "kill -9 of Redis, which comes back empty",
  touches: ["redis"],
  standsMs: 6_000,
  inject: async ({ redis }) => {
    await redis.kill();
    return () => redis.start();
  },
};
