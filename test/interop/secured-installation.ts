import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Admin,
  coreAccess,
  createKafkaClient,
  grant,
  type KafkaAccess,
  type KafkaClient,
  type KafkaNames,
  managerAccess,
  pluginAccess,
  routerAccess,
} from "@plugboard/kafka";
import { createLogger, type KafkaSettings } from "@plugboard/runtime";
import { createCertificateAuthority, type KafkaCluster, startKafka } from "@plugboard/stack";
import { type OwnKafka, PlugboardUnderTest } from "../plugboard-under-test.ts";
import { aclEntries } from "./acl-entries.ts";
import type { JavaTools } from "./java-tools.ts";

/** Processes by the name of their user; then those who may do nothing, only what concerns topics, and what commands grant. */
const USERS = [
  "manager",
  "router",
  "validator",
  "other",
  "collect-core",
  "ungranted",
  "topics-only",
  "by-command",
] as const;
type User = (typeof USERS)[number];

/** A broker that asks for TLS, a client certificate and a login, and a Plugboard whose processes have a user each. */
export class SecuredInstallation {
  readonly kafka: KafkaCluster;
  readonly #directory: string;
  readonly #certificate: { readonly certFile: string; readonly keyFile: string };

  private constructor(
    kafka: KafkaCluster,
    directory: string,
    certificate: { readonly certFile: string; readonly keyFile: string },
  ) {
    this.kafka = kafka;
    this.#directory = directory;
    this.#certificate = certificate;
  }

  static async start(): Promise<SecuredInstallation> {
    const users = Object.fromEntries(USERS.map((user) => [user, passwordOf(user)]));
    const kafka = await startKafka({ security: { users, clientCertificates: true } });
    const directory = mkdtempSync(join(tmpdir(), "secured-"));
    const issued = await kafka.secured?.authority.issue("client");
    const [certFile, keyFile] = [join(directory, "client.pem"), join(directory, "client.key")];
    writeFileSync(certFile, issued?.certificate ?? "");
    writeFileSync(keyFile, issued?.key ?? "", { mode: 0o600 });
    return new SecuredInstallation(kafka, directory, { certFile, keyFile });
  }

  async stop(): Promise<void> {
    await this.kafka.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** What a process is told of Kafka. */
  environmentOf(user: string, password = passwordOf(user)): Record<string, string> {
    return {
      KAFKA_BROKERS: this.kafka.brokers,
      KAFKA_TLS: "true",
      KAFKA_TLS_CA: this.kafka.secured?.caFile ?? "",
      KAFKA_TLS_CERT: this.#certificate.certFile,
      KAFKA_TLS_KEY: this.#certificate.keyFile,
      KAFKA_SASL_MECHANISM: "scram-sha-512",
      KAFKA_SASL_USERNAME: user,
      KAFKA_SASL_PASSWORD: password,
    };
  }

  /** The file of an authority that issued nothing here. */
  async strangersAuthority(): Promise<string> {
    const file = join(this.#directory, "stranger.pem");
    writeFileSync(file, (await createCertificateAuthority("stranger")).certificate);
    return file;
  }

  settingsOf(user: string, password?: string): KafkaSettings {
    const environment = this.environmentOf(user, password);
    return {
      ...environment,
      KAFKA_BROKERS: [this.kafka.brokers],
      KAFKA_TLS: true,
      KAFKA_SASL_MECHANISM: "scram-sha-512",
    };
  }

  clientOf(user: User): KafkaClient {
    return createKafkaClient(user, this.settingsOf(user), createLogger("test", "silent"));
  }

  async openPlugboard(): Promise<PlugboardUnderTest> {
    const { username, password } = this.kafka.secured?.admin ?? { username: "", password: "" };
    const kafka: OwnKafka = {
      settings: this.settingsOf(username, password),
      environmentOf: (service) => this.environmentOf(service),
      prepare: (plugboard) => this.#grantAll(plugboard),
    };
    return await PlugboardUnderTest.open({ kafka });
  }

  /** What docs/kafka-security.md says that each process needs, with this installation's names. */
  async #grantAll(plugboard: PlugboardUnderTest): Promise<void> {
    const names = namesOf(plugboard);
    await this.grant(plugboard.admin, {
      manager: managerAccess(names),
      router: routerAccess(names),
      validator: pluginAccess("validator", names),
      other: pluginAccess("other", names),
      "collect-core": coreAccess(names),
      "topics-only": [...withoutConfigs(routerAccess(names)), ...pluginAccess("validator", names)].filter(
        ({ resource }) => resource === "topic",
      ),
    });
  }

  async grant(admin: Pick<Admin, "createAcls">, access: Partial<Record<User, readonly KafkaAccess[]>>): Promise<void> {
    const acl = Object.entries(access).flatMap(([user, list]) => aclEntries(user, list));
    await admin.createAcls({ acl });
  }

  /** By the commands of docs/kafka-security.md, each run as an operator runs it. */
  async grantByCommands(java: JavaTools, user: User, access: readonly KafkaAccess[]): Promise<void> {
    const where = ["--bootstrap-server", this.kafka.brokers, "--command-config", this.#adminProperties()];
    const input = access.map((one) => `${JSON.stringify(grant(user, one))}\n`).join("");
    await java.run("GrantAccess", where, input);
  }

  /** As the document says an operator writes it. */
  #adminProperties(): string {
    const { admin, caFile } = this.kafka.secured ?? {};
    const file = join(this.#directory, "admin.properties");
    const keyStore = join(this.#directory, "client-store.pem");
    writeFileSync(keyStore, `${readText(this.#certificate.keyFile)}${readText(this.#certificate.certFile)}`);
    const login = `org.apache.kafka.common.security.scram.ScramLoginModule required username="${admin?.username}" password="${admin?.password}";`;
    const lines = [
      "security.protocol=SASL_SSL",
      "sasl.mechanism=SCRAM-SHA-512",
      `sasl.jaas.config=${login}`,
      "ssl.truststore.type=PEM",
      `ssl.truststore.location=${caFile}`,
      "ssl.keystore.type=PEM",
      `ssl.keystore.location=${keyStore}`,
    ];
    writeFileSync(file, lines.join("\n"), { mode: 0o600 });
    return file;
  }
}

export function namesOf(plugboard: PlugboardUnderTest): KafkaNames {
  return {
    responses: plugboard.responses,
    pluginPrefix: `${plugboard.name}.plugin.`,
    deliveries: `${plugboard.name}.deliveries`,
    commands: plugboard.commands,
    parked: `${plugboard.name}.parked`,
    routerGroup: plugboard.group,
    coreGroup: `${plugboard.name}.core`,
    pluginGroup: (plugin) => `${plugboard.name}.${plugin}`,
  };
}

function passwordOf(user: string): string {
  return `password-of-${user}`;
}

function readText(file: string): string {
  return readFileSync(file, "utf8");
}

/** Without the right to ask how topics are kept, which is good to have and not needed to work. */
function withoutConfigs(access: readonly KafkaAccess[]): KafkaAccess[] {
  return access.map((one) => ({
    ...one,
    operations: one.operations.filter((operation) => operation !== "DescribeConfigs"),
  }));
}
