import type { KafkaSettings } from "@plugboard/runtime";

/** What a request was about: the errors of kafkajs do not tell. */
export interface Asked {
  readonly topic?: string;
  readonly group?: string;
}

const RIGHTS = "docs/kafka-security.md lists the rights that each process needs";

/**
 * Why Kafka did not do what it was asked for, in one line: who and what is to be corrected where a login, a certificate or a
 * right is wrong, else the error's own message.
 */
export function whyRefused(
  error: unknown,
  settings: Pick<KafkaSettings, "KAFKA_SASL_USERNAME">,
  asked: Asked = {},
): string {
  const user = settings.KAFKA_SASL_USERNAME ?? "this process";
  const topic = asked.topic === undefined ? "the topic" : `the topic ${asked.topic}`;
  const group = asked.group === undefined ? "the group" : `the group ${asked.group}`;
  const all = [...errorsIn(error)];
  const has = (kind: string) => all.some((one) => one.name === kind || ("type" in one && one.type === kind));
  if (has("KafkaJSSASLAuthenticationError"))
    return `Kafka refuses the login of ${user}: correct KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD`;
  const certificate = all.find(
    ({ name, message }) => name === "KafkaJSConnectionError" && /certificate/i.test(message),
  );
  if (certificate !== undefined)
    return `the TLS handshake failed: ${certificate.message}; KAFKA_TLS_CA names the authority that is trusted`;
  if (has("TOPIC_AUTHORIZATION_FAILED")) return `Kafka refuses ${user} ${topic}: ${RIGHTS}`;
  if (has("GROUP_AUTHORIZATION_FAILED")) return `Kafka refuses ${user} ${group}: ${RIGHTS}`;
  // kafkajs asks every broker, and drops what they answer.
  if (has("KafkaJSGroupCoordinatorNotFound"))
    return `no broker coordinates ${group}: either none is up, or Kafka refuses ${user} the group (${RIGHTS})`;
  return error instanceof Error ? error.message : String(error);
}

/** An error and everything it was made of, outermost first. */
function* errorsIn(error: unknown): Generator<Error> {
  if (!(error instanceof Error)) return;
  yield error;
  if ("errors" in error && Array.isArray(error.errors)) for (const inner of error.errors) yield* errorsIn(inner);
  yield* errorsIn(error.cause);
}
