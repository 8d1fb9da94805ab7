import type { SafetyFinding, SafetyQuestion } from "@plugboard/runtime";
import type { Redis } from "ioredis";

/** Pause between looks whether Redis is connected, milliseconds. */
const CONNECTED_LOOK_MS = 100;

/**
 * Whether Redis may hold the routing table. Only `allkeys-*` policies may remove routes, which have no time-out: an entry that
 * is evicted reads as "nobody enabled anything", and events would go to nobody without a word. Refused whatever maxmemory
 * is now, for whoever sets it later would not think of this.
 * @param namespace the setting PLUGBOARD_NAMESPACE.
 */
export function redisSafety(redis: Redis, namespace: string): SafetyQuestion {
  return {
    where: "Redis",
    ask: async (signal) => {
      // The connection has no queue: a command before it is there would fail.
      while (redis.status !== "ready") {
        signal.throwIfAborted();
        await new Promise((resolve) => setTimeout(resolve, CONNECTED_LOOK_MS));
      }
      return evictionFindings(await redis.info("memory"), namespace);
    },
  };
}

/** @param info Redis' answer to INFO memory. */
export function evictionFindings(info: string, namespace: string): SafetyFinding[] {
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (policy?.startsWith("allkeys-") !== true) return [];
  return [
    {
      grade: "unsafe",
      where: "Redis",
      what: `maxmemory-policy ${policy}: when it is full it evicts any key, so routes of namespace ${namespace} could vanish unnoticed, and events go to nobody`,
      remedy:
        "CONFIG SET maxmemory-policy noeviction, and the same in its configuration; a volatile-* policy does as well",
    },
  ];
}
