import { type Admin, createKafkaClient, type KafkaClient } from "@plugboard/kafka";
import {
  createLogger,
  kafkaSettings,
  loadSettings,
  namingSettings,
  SettingsError,
  withDeadline,
} from "@plugboard/runtime";
import type { Addresses } from "./addresses.ts";
import { CommandFailed, EXIT } from "./exit-code.ts";

/** How long the brokers may take to answer, milliseconds. */
export const KAFKA_MS_MAX = 10_000;

export interface KafkaAccess {
  readonly client: KafkaClient;
  readonly brokers: string;
  readonly names: { readonly responses: string; readonly pluginPrefix: string };
}

/** The brokers as the environment (KAFKA_…) and flags say. @throws CommandFailed (usage) naming every wrong setting. */
export function kafkaAccess(addresses: Addresses): KafkaAccess {
  if (addresses.brokers === undefined)
    throw new CommandFailed(
      EXIT.usage,
      "nobody says where Kafka is: give --brokers host:port or KAFKA_BROKERS, or run this below a directory with `npm start` up",
    );
  try {
    const settings = loadSettings("plugboard", { ...kafkaSettings, ...namingSettings }, addresses.environment);
    return {
      client: createKafkaClient("plugboard-cli", settings, createLogger("plugboard-cli", "silent")),
      brokers: addresses.brokers,
      names: { responses: settings.RESPONSES_TOPIC, pluginPrefix: settings.PLUGIN_TOPIC_PREFIX },
    };
  } catch (error) {
    if (error instanceof SettingsError) throw new CommandFailed(EXIT.usage, error.message);
    throw error;
  }
}

/** Calls with a connected admin client. @throws CommandFailed (unreachable) when the brokers do not answer in time. */
export async function withAdmin<T>({ client, brokers }: KafkaAccess, call: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = client.admin();
  try {
    await withDeadline(admin.connect(), KAFKA_MS_MAX, "no answer").catch((error: Error) => {
      throw new CommandFailed(EXIT.unreachable, `Kafka at ${brokers} does not answer: ${error.message}`);
    });
    return (await withDeadline(call(admin), KAFKA_MS_MAX, `Kafka at ${brokers} did not answer`)) as T;
  } finally {
    admin.disconnect().catch(() => undefined);
  }
}
