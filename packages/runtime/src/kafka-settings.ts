import { isPem, kafkaSecurityProblems } from "./kafka-security.ts";
import { env, setting } from "./settings.ts";

const pemFile = (kind: "certificate" | "key", what: string) =>
  env.text().refine((file) => isPem(kind, file), { error: `must be the path of a readable PEM file with ${what}` });

/** How every process reaches Kafka; spread into a process's settings. */
export const kafkaSettings = {
  KAFKA_BROKERS: setting(env.brokers(), "Kafka's addresses: host:port, comma-separated."),
  KAFKA_TLS: setting(env.flag().default(false), "Whether Kafka is reached over TLS.", {
    problems: kafkaSecurityProblems,
  }),
  KAFKA_TLS_CA: setting(
    pemFile("certificate", "a certificate").optional(),
    "PEM file of the authority that issued the brokers' certificates; the well-known ones when unset. Read at start.",
  ),
  KAFKA_TLS_CERT: setting(
    pemFile("certificate", "a certificate").optional(),
    "PEM file of this client's certificate, for brokers that ask for one; needs KAFKA_TLS_KEY. Read at start.",
  ),
  KAFKA_TLS_KEY: setting(
    pemFile("key", "an unencrypted private key").optional(),
    "PEM file of the private key of KAFKA_TLS_CERT. Read at start.",
  ),
  KAFKA_SASL_MECHANISM: setting(
    env.oneOf(["plain", "scram-sha-256", "scram-sha-512"]).optional(),
    "SASL mechanism; none when unset.",
  ),
  KAFKA_SASL_USERNAME: setting(env.text().optional(), "SASL user; needed with KAFKA_SASL_MECHANISM."),
  KAFKA_SASL_PASSWORD: setting(env.text().optional(), "SASL password; needed with KAFKA_SASL_MECHANISM.", {
    secret: true,
  }),
};

/** Names of shared topics and keys; a test gives its own. */
export const namingSettings = {
  RESPONSES_TOPIC: setting(env.topic().default("responses"), "Topic the core emits events to."),
  PLUGIN_TOPIC_PREFIX: setting(env.topic().default("plugin."), "What the plugins' topic names start with."),
  DELIVERIES_TOPIC: setting(env.topic().default("deliveries"), "Topic of delivery outcomes."),
  CORE_COMMANDS_TOPIC: setting(env.topic().default("core.commands"), "Topic of commands to the core."),
  PLUGBOARD_NAMESPACE: setting(
    env
      .text()
      .regex(/^[A-Za-z0-9._-]{1,100}$/, "must be 1 to 100 characters of A-Z a-z 0-9 . _ -")
      .default("pb"),
    "Prefix of the routing table's keys in Redis.",
  ),
};

/** Every process logs alike. */
export const logSettings = {
  LOG_LEVEL: setting(
    env.oneOf(["fatal", "error", "warn", "info", "debug", "trace", "silent"]).default("info"),
    "Least severe level that is logged.",
  ),
};
