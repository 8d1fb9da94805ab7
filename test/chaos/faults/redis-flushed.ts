import { once } from "node:events";
import { routingRedis } from "@plugboard/routing-table";
import type { Fault } from "./fault.ts";

export const redisFlushed: Fault = {
  name: "redis-flushed",
  what: "FLUSHALL",
  touches: ["redis"],
  standsMs: 0,
  short: true,
  inject: async ({ redis }) => {
    const client = routingRedis(redis.url);
    await once(client, "ready");
    await client.flushall();
    client.disconnect();
    // The managers mend it by themselves.
    return async () => {};
  },
};
