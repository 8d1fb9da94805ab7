import { isIP } from "node:net";
import type { BaseOptions, SASLOptions } from "@platformatic/kafka";
import { type KafkaSettings, kafkaSasl, kafkaTls } from "@plugboard/runtime";

/** Deadline of one request, milliseconds: above the longest one that blocks by design (JoinGroup, see group-membership). */
const REQUEST_TIMEOUT_MS = 25_000;
const CONNECT_TIMEOUT_MS = 3_000;

/** What every client of this process is made with. */
export function connectionOptions(settings: KafkaSettings, clientId: string): BaseOptions {
  const tls = kafkaTls(settings);
  const sasl = kafkaSasl(settings);
  return {
    clientId,
    bootstrapBrokers: [...settings.KAFKA_BROKERS],
    connectTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Brokers behind a proxy are told apart by the name in the handshake, where an address may not stand.
    ...(tls !== null && { tls, tlsServerName: settings.KAFKA_BROKERS.every((broker) => isIP(hostOf(broker)) === 0) }),
    ...(sasl !== null && { sasl: { ...sasl, mechanism: SASL[sasl.mechanism] } as SASLOptions }),
  };
}

const SASL = { plain: "PLAIN", "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512" } as const;

/** Of host:port or [address]:port. */
function hostOf(broker: string): string {
  return broker.slice(0, broker.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}

/**
 * Why no broker could be asked, or why it refused, in one line: the client's error is a tree of every attempt, and what an
 * operator needs is at its leaves.
 */
export function whyNotReached(error: unknown, settings: KafkaSettings): string {
  const all = [...errorsIn(error)];
  if (all.some((inner) => "apiId" in inner && inner.apiId === "SASL_AUTHENTICATION_FAILED"))
    return `Kafka refuses the login of ${settings.KAFKA_SASL_USERNAME}: correct KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD`;
  const certificate = all.find((inner) => /certificate/i.test(inner.message));
  if (certificate !== undefined)
    return `the TLS handshake failed: ${certificate.message}; KAFKA_TLS_CA names the authority that is trusted`;
  const refused = all.find((inner) => "apiId" in inner && String(inner.apiId).endsWith("_AUTHORIZATION_FAILED"));
  if (refused !== undefined)
    return `Kafka refuses ${settings.KAFKA_SASL_USERNAME ?? "this process"}: ${refused.message} docs/kafka-security.md lists the rights it needs`;
  return (all.at(-1) ?? (error as Error)).message;
}

/** An error and everything it was made of, outermost first. */
function* errorsIn(error: unknown): Generator<Error> {
  if (!(error instanceof Error)) return;
  yield error;
  if (error instanceof AggregateError) for (const inner of error.errors) yield* errorsIn(inner);
  yield* errorsIn(error.cause);
}
