import { generateKeyPairSync } from "node:crypto";
import type { PlayedManager } from "./played-manager.ts";

interface Standing {
  readonly manager: PlayedManager;
  readonly kafkaBrokers: string;
  readonly databaseUrl: string;
  readonly prefix: string;
  readonly group: string;
  readonly topics: { readonly deliveries: string; readonly commands: string };
}

/** One key for all processes: settings that were sealed to it outlive them. */
const PRIVATE_KEY = JSON.stringify(
  generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }),
);

/**
 * What a process is told, under the SDK's names (docs/configuration.md). Times are short: of those that Kafka has, the shortest it
 * takes; handlers have four seconds, which a busy machine may need, and what a killed process had claimed is free soon after.
 */
export function processEnvironment({ manager, kafkaBrokers, databaseUrl, prefix, group, topics }: Standing) {
  return {
    PORT: "0",
    MANAGER_URL: manager.url,
    MANAGER_TOKEN: manager.token,
    KAFKA_BROKERS: kafkaBrokers,
    DATABASE_URL: databaseUrl,
    PLUGIN_TOPIC_PREFIX: `${prefix}plugin.`,
    PLUGIN_GROUP_ID: group,
    DELIVERIES_TOPIC: topics.deliveries,
    CORE_COMMANDS_TOPIC: topics.commands,
    PLUGIN_PRIVATE_KEY: PRIVATE_KEY,
    PLUGIN_SESSION_TIMEOUT_MS: "6000",
    PLUGIN_HANDLER_DEADLINE_MS: "4000",
    PLUGIN_DRAIN_MS: "10000",
    PLUGIN_RETRY_DELAY_MS: "100",
    PLUGIN_RETRY_DELAY_MS_MAX: "400",
    PLUGIN_RETRY_ATTEMPTS_MAX: String(ATTEMPTS_MAX),
    LOG_LEVEL: "info",
  };
}

/** Attempts after which a delivery is given up. */
export const ATTEMPTS_MAX = 3;
