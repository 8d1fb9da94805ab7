import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Environment } from "./environment.ts";

/** The values of the settings in kafka-settings.ts. */
export interface KafkaSettings {
  readonly KAFKA_BROKERS: readonly string[];
  readonly KAFKA_TLS: boolean;
  readonly KAFKA_TLS_CA?: string | undefined;
  readonly KAFKA_TLS_CERT?: string | undefined;
  readonly KAFKA_TLS_KEY?: string | undefined;
  readonly KAFKA_SASL_MECHANISM?: "plain" | "scram-sha-256" | "scram-sha-512" | undefined;
  readonly KAFKA_SASL_USERNAME?: string | undefined;
  readonly KAFKA_SASL_PASSWORD?: string | undefined;
}

/** How a client secures its connection, PEM; without `ca` the authorities that come with Node are trusted. */
export interface KafkaTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Who a client says it is. */
export interface KafkaSasl {
  readonly mechanism: NonNullable<KafkaSettings["KAFKA_SASL_MECHANISM"]>;
  readonly username: string;
  readonly password: string;
}

/** What the settings say of TLS; null for plain text. Reads the files they name. */
export function kafkaTls(settings: KafkaSettings): KafkaTls | null {
  if (!settings.KAFKA_TLS) return null;
  const { KAFKA_TLS_CA: ca, KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key } = settings;
  return {
    ...(ca !== undefined && { ca: readFileSync(ca, "utf8") }),
    ...(cert !== undefined &&
      key !== undefined && { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") }),
  };
}

/** What the settings say of SASL; null for none. */
export function kafkaSasl(settings: KafkaSettings): KafkaSasl | null {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = settings;
  if (mechanism === undefined || username === undefined || password === undefined) return null;
  return { mechanism, username, password };
}

const SASL = ["KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"];
const CLIENT_CERTIFICATE = ["KAFKA_TLS_CERT", "KAFKA_TLS_KEY"];
const FILES = ["KAFKA_TLS_CA", ...CLIENT_CERTIFICATE];

/** What is wrong with TLS and SASL settings taken together, where each may be right by itself. */
export function kafkaSecurityProblems(environment: Environment): string[] {
  const problems = [SASL, CLIENT_CERTIFICATE].flatMap((together) => incomplete(environment, together));
  const named = FILES.filter((name) => environment[name] !== undefined);
  if (named.length > 0 && environment.KAFKA_TLS !== "true")
    problems.push(`KAFKA_TLS must be "true" for ${named.join(", ")} to count`);
  const { KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key } = environment;
  if (isPem("certificate", cert) && isPem("key", key) && !belongTogether(cert, key))
    problems.push("KAFKA_TLS_KEY is not the key of the certificate in KAFKA_TLS_CERT");
  return problems;
}

function incomplete(environment: Environment, together: readonly string[]): string[] {
  const missing = together.filter((name) => environment[name] === undefined);
  if (missing.length === 0 || missing.length === together.length) return [];
  const given = together.filter((name) => !missing.includes(name));
  return missing.map((name) => `${name} is required with ${given.join(" and ")}`);
}

function belongTogether(cert: string, key: string): boolean {
  return new X509Certificate(readFileSync(cert)).checkPrivateKey(createPrivateKey(readFileSync(key)));
}

/** Whether a file can be read and holds a certificate, or an unencrypted private key, as PEM. */
export function isPem(kind: "certificate" | "key", file: string | undefined): file is string {
  if (file === undefined) return false;
  try {
    const pem = readFileSync(file);
    if (kind === "certificate") new X509Certificate(pem);
    else createPrivateKey(pem);
    return true;
  } catch {
    return false;
  }
}
