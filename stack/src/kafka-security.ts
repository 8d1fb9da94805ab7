import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Certificate, type CertificateAuthority, createCertificateAuthority } from "./certificate-authority.ts";

const run = promisify(execFile);

/** What a secured broker asks of its clients. */
export interface KafkaSecurity {
  /** SASL/SCRAM-SHA-512 users, name to password, both of A-Z a-z 0-9 - only. None may do anything until ACLs say so. */
  readonly users: Readonly<Record<string, string>>;
  /** Whether clients must show a certificate of the broker's authority as well. Default false. */
  readonly clientCertificates?: boolean;
}

/** How a secured broker is reached. */
export interface SecuredKafka {
  /** Issued the broker's certificate. */
  readonly authority: CertificateAuthority;
  /** Its certificate's file: what clients trust. */
  readonly caFile: string;
  /** The user whom no ACL binds. */
  readonly admin: { readonly username: string; readonly password: string };
}

/** A secured broker's files and users, ready before it is formatted. */
export interface PreparedSecurity extends SecuredKafka {
  readonly properties: Readonly<Record<string, string>>;
  /** Every user: those asked for, the admin and the broker itself. */
  readonly users: Readonly<Record<string, string>>;
}

const FORMAT_TIMEOUT_MS = 60_000;
/** It runs for a moment: compiling fast beats running fast. */
const JVM_FLAGS = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"];
const BROKER = "broker";
const ADMIN = "admin";

/** Makes the authority, the broker's certificate and its passwords, and says what they add to server.properties. */
export async function prepareSecurity(directory: string, security: KafkaSecurity): Promise<PreparedSecurity> {
  const authority = await createCertificateAuthority("Plugboard's test brokers");
  const own = await authority.issue(BROKER);
  const [caFile, keyFile] = [join(directory, "ca.pem"), join(directory, "broker.pem")];
  writeFileSync(caFile, authority.certificate);
  writeKeyStore(keyFile, own);
  const [brokerPassword, adminPassword] = [crypto.randomUUID(), crypto.randomUUID()];
  const login = `org.apache.kafka.common.security.scram.ScramLoginModule required username="${BROKER}" password="${brokerPassword}";`;
  return {
    authority,
    caFile,
    admin: { username: ADMIN, password: adminPassword },
    users: { ...security.users, [BROKER]: brokerPassword, [ADMIN]: adminPassword },
    properties: {
      "inter.broker.listener.name": "SASL_SSL",
      "sasl.enabled.mechanisms": "SCRAM-SHA-512",
      "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
      "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": login,
      "ssl.keystore.type": "PEM",
      "ssl.keystore.location": keyFile,
      "ssl.truststore.type": "PEM",
      "ssl.truststore.location": caFile,
      "ssl.client.auth": security.clientCertificates ? "required" : "none",
      "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
      // Nobody is anonymous but the node itself, on its own controller listener, which is plain text.
      "super.users": `User:${BROKER};User:${ADMIN};User:ANONYMOUS`,
    },
  };
}

/** Formats a node's directory with its users in it: only the formatter can add the first ones. */
export async function formatWithUsers(
  java: string,
  libraries: string,
  propertiesFile: string,
  clusterId: string,
  users: Readonly<Record<string, string>>,
): Promise<void> {
  const added = Object.entries(users).flatMap(([name, password]) => [
    "--add-scram",
    `SCRAM-SHA-512=[name=${name},password=${password}]`,
  ]);
  const format = ["kafka.tools.StorageTool", "format", "-t", clusterId, "-c", propertiesFile, ...added];
  await run(java, [...JVM_FLAGS, "-cp", join(libraries, "*"), ...format], { timeout: FORMAT_TIMEOUT_MS });
}

/** Key and certificate in one file, as Kafka reads them. */
function writeKeyStore(file: string, { certificate, key }: Certificate): void {
  writeFileSync(file, `${key}${certificate}`, { mode: 0o600 });
}
