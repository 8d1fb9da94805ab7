import type { BaseOptions, SASLOptions } from "@platformatic/kafka";
import type { KafkaSettings } from "@plugboard/runtime";

/** Deadline of one request, milliseconds: above the longest one that blocks by design (JoinGroup, see group-membership). */
const REQUEST_TIMEOUT_MS = 25_000;
const CONNECT_TIMEOUT_MS = 3_000;

/** What every client of this process is made with. */
export function connectionOptions(settings: KafkaSettings, clientId: string): BaseOptions {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = settings;
  return {
    clientId,
    bootstrapBrokers: [...settings.KAFKA_BROKERS],
    connectTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    ...(settings.KAFKA_TLS && { tls: {} }),
    ...(mechanism !== undefined && { sasl: { mechanism: SASL[mechanism], username, password } as SASLOptions }),
  };
}

const SASL = { plain: "PLAIN", "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512" } as const;
