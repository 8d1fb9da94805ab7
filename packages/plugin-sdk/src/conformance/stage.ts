import { randomBytes } from "node:crypto";
import {
  type CoreCommand,
  coreCommandSchema,
  type DeliveryRecord,
  deliveryRecordSchema,
  type Lane,
  type PluginTopics,
  pluginTopics,
} from "@plugboard/contract";
import { type Admin, createKafkaClient, ensureTopics, type KafkaClient, type SafeProducer } from "@plugboard/kafka";
import { createLogger } from "@plugboard/runtime";
import { routedRecord, type TestEvent, testEvent } from "../testing/event-fixtures.ts";
import { harnessDatabase } from "../testing/harness-database.ts";
import { eventually, NonConformance } from "./nonconformance.ts";
import { PlayedManager } from "./played-manager.ts";
import { PlayedVendor } from "./played-vendor.ts";
import type { CheckName, PluginDescription } from "./plugin-description.ts";
import { PluginProcess } from "./plugin-process.ts";
import { processEnvironment } from "./process-environment.ts";
import { newTeam, responseOf } from "./response-ids.ts";
import { sealedSettings } from "./sealed-settings.ts";
import { type Addresses, jsonOf, type RoutedRecord, type StagedResponse } from "./staged-records.ts";
import { TopicFollower } from "./topic-follower.ts";

const OUTPUT_TOLD_MAX = 2_000;

/** Everything that one plugin stands on, of its own: topics, database, manager, vendor; and its processes. */
export class Stage {
  readonly plugin: PluginDescription;
  readonly manager: PlayedManager;
  readonly topics: PluginTopics & { readonly deliveries: string; readonly commands: string };
  readonly admin: Admin;
  /** How long each thing may take that the plugin has to do. */
  waitMs = 0;
  /** Deliveries so far, by their ids; of copies, the first. */
  readonly routed = new Map<string, RoutedRecord>();
  readonly #kafka: KafkaClient;
  readonly #producer: SafeProducer;
  readonly #vendor: PlayedVendor | null;
  readonly #addresses: Addresses;
  readonly #prefix = `conformance-${randomBytes(5).toString("hex")}.`;
  readonly #followers = new Map<string, TopicFollower>();
  readonly #versions = new Map<string, number>();
  #database: Awaited<ReturnType<typeof harnessDatabase>> | null = null;
  #process: PluginProcess | null = null;
  #earlierOutput = "";
  #responses = 0;

  constructor(plugin: PluginDescription, addresses: Addresses) {
    this.plugin = plugin;
    this.#addresses = addresses;
    const prefix = this.#prefix;
    const own = pluginTopics(plugin.id, `${prefix}plugin.`);
    this.topics = { ...own, deliveries: `${prefix}deliveries`, commands: `${prefix}commands` };
    this.manager = new PlayedManager(plugin.id, own);
    this.#vendor = plugin.vendor === null ? null : new PlayedVendor(plugin.vendor);
    const settings = { KAFKA_BROKERS: addresses.kafkaBrokers.split(","), KAFKA_TLS: false };
    this.#kafka = createKafkaClient("conformance", settings, createLogger("conformance", "silent"));
    this.admin = this.#kafka.admin();
    this.#producer = this.#kafka.producer();
  }

  async open(): Promise<void> {
    await Promise.all([this.manager.start(), this.#vendor?.start(), this.admin.connect(), this.#producer.connect()]);
    const { deadLetter: _, ...topics } = this.topics;
    const specs = Object.values(topics).map((topic) => ({ topic, partitions: 1, retentionMs: 3_600_000 }));
    const [database] = await Promise.all([
      harnessDatabase(this.#addresses.databaseUrl),
      ensureTopics(this.admin, specs),
    ]);
    this.#database = database;
    for (const topic of [topics.deliveries, topics.commands]) await this.follow(topic);
  }

  async close(): Promise<void> {
    await this.#process?.kill();
    this.manager.stop();
    this.#vendor?.stop();
    await Promise.allSettled([...this.#followers.values()].map((one) => one.close()));
    const mine = (await this.admin.listTopics()).filter((topic) => topic.startsWith(this.#prefix));
    await this.admin.deleteTopics({ topics: mine }).catch(() => undefined);
    await Promise.allSettled([this.admin.disconnect(), this.#producer.disconnect(), this.#database?.drop()]);
  }

  /** The consumer group of the live lane. */
  get group(): string {
    return `${this.#prefix}group`;
  }

  /** The vendor. @throws for a plugin without one, whose description has to say which checks that rules out. */
  get vendor(): PlayedVendor {
    if (this.#vendor === null)
      throw new Error("this check needs the vendor: describe it, or say in notApplicable why there is none to look at");
    return this.#vendor;
  }

  get hasVendor(): boolean {
    return this.#vendor !== null;
  }

  /** What all processes so far have written. */
  get output(): string {
    return this.#earlierOutput + (this.#process?.output ?? "");
  }

  /** The plugin's process: the one that runs, or a new one. It is registered and says that it is ready. */
  async running(): Promise<PluginProcess> {
    if (this.#process?.isRunning) return this.#process;
    this.#earlierOutput = this.output;
    const vendorUrl = this.#vendor?.url ?? "";
    const { process: description } = this.plugin;
    const given = await processEnvironment({
      manager: this.manager,
      kafkaBrokers: this.#addresses.kafkaBrokers,
      databaseUrl: this.#database?.url ?? "",
      prefix: this.#prefix,
      group: this.group,
      topics: this.topics,
    });
    const before = this.manager.registrations.length;
    this.#process = await PluginProcess.start(description, description.environment(given, vendorUrl));
    await this.eventually("it did not register: PUT /v1/plugins/{plugin}", () =>
      this.manager.registrations.length > before ? true : undefined,
    );
    await this.eventually("it did not become ready: GET /readyz did not answer 200", async () => {
      const answer = await this.manager.get("/readyz").catch(() => null);
      return answer?.status === 200 ? true : undefined;
    });
    return this.#process;
  }

  /** A team of this check alone, with the plugin enabled and its settings applied. */
  async team(check: CheckName): Promise<string> {
    const team = newTeam(check);
    this.manager.enable(team);
    await this.running();
    const { body } = await this.configure(team, this.settingsOf(team).valid);
    const { status } = (body ?? {}) as { status?: string };
    if (status !== "applied")
      throw new NonConformance(`valid settings were not applied: POST /initialize answered ${JSON.stringify(body)}`);
    return team;
  }

  settingsOf(team: string) {
    return this.plugin.settings(team, this.#vendor?.url ?? "");
  }

  /** Sends settings as the manager does, as the team's next version. */
  async configure(team: string, settings: Readonly<Record<string, unknown>>, version = this.nextVersion(team)) {
    return await this.manager.call("/initialize", await this.settingsBody(team, settings, version));
  }

  /** The body of `/initialize`, secrets sealed. */
  async settingsBody(team: string, settings: Readonly<Record<string, unknown>>, version: number) {
    const registered = this.manager.registration;
    return {
      team,
      version,
      settings: await sealedSettings(settings, registered?.settings ?? {}, registered?.publicKey ?? null),
    };
  }

  nextVersion(team: string): number {
    const version = (this.#versions.get(team) ?? 0) + 1;
    this.#versions.set(team, version);
    return version;
  }

  /** A new response of a team, whose events have the effect that the plugin is for. */
  response(team: string): StagedResponse {
    this.#responses += 1;
    const id = responseOf(team, this.#responses);
    const {
      type = "onResponse",
      form = "form-1",
      data = { answers: { note: "hello" } },
    } = this.plugin.event?.(id, team) ?? {};
    return { team, id, fields: { type, form, data } };
  }

  /** Puts an event into one of the plugin's topics, as the router does; answers the delivery's id. The same `id` again is a copy. */
  async route(
    { team, id: response, fields }: StagedResponse,
    own: TestEvent = {},
    lane: Lane = "live",
  ): Promise<string> {
    const event = testEvent({ ...fields, id: `${response}-event`, team, response, ...own });
    const { id, ...record } = routedRecord(this.plugin.id, event, `${this.manager.versionOf(team)}.1`);
    if (!this.routed.has(id)) this.routed.set(id, { event, ...record });
    await this.#producer.send(this.topics[lane], [record]);
    return id;
  }

  /** Puts something into the live topic that no router writes. */
  async routeRaw(record: { readonly key: string; readonly value: string }): Promise<void> {
    await this.#producer.send(this.topics.live, [record]);
  }

  /** What became of a delivery so far. */
  outcomes(deliveryId: string): DeliveryRecord[] {
    return this.recordsOf(this.topics.deliveries).flatMap(({ value }) => {
      const parsed = deliveryRecordSchema.safeParse(jsonOf(value));
      return parsed.success && parsed.data.deliveryId === deliveryId ? [parsed.data] : [];
    });
  }

  /** Waits until a delivery has an outcome of this kind. @param what about the delivery, for the message. */
  async outcome(
    deliveryId: string,
    kinds: readonly DeliveryRecord["outcome"][],
    what: string,
  ): Promise<DeliveryRecord> {
    const find = () => this.outcomes(deliveryId).find(({ outcome }) => kinds.includes(outcome));
    const told = () =>
      this.outcomes(deliveryId).map(({ outcome, reason }) => (reason ? `${outcome} (${reason})` : outcome));
    return await this.eventually(
      () =>
        `${what} was not recorded as ${kinds.join(" or ")} in \`deliveries\`; recorded for it: ${told().join(", ") || "nothing"}`,
      find,
    );
  }

  /** What was written to `core.commands` about a response until now. */
  async #commands(response: string): Promise<CoreCommand[]> {
    const { commands } = this.topics;
    const [end] = await this.admin.fetchTopicOffsets(commands);
    const behind = () => this.recordsOf(commands).length < Number(end?.high);
    await this.eventually("the suite's own fault: it cannot read core.commands", () => (behind() ? undefined : true));
    return this.recordsOf(commands).flatMap(({ value }) => {
      const parsed = coreCommandSchema.safeParse(jsonOf(value));
      return parsed.success && parsed.data.responseId === response ? [parsed.data] : [];
    });
  }

  /** How often a response's effect has happened. */
  async effects(response: string): Promise<number> {
    const { effects, effect } = this.plugin;
    if (effects !== undefined) {
      return await effects(response, {
        action: async (team, name, input) => {
          const { body } = await this.manager.call(`/actions/${name}`, { team, input });
          return (body as { output?: unknown }).output;
        },
        commands: (one) => this.#commands(one),
      });
    }
    const keys = this.vendor.keysOf(response);
    return effect === "at-least-once" ? new Set(keys).size : keys.length;
  }

  /** Follows a topic that exists. */
  async follow(topic: string): Promise<TopicFollower> {
    const known = this.#followers.get(topic) ?? (await TopicFollower.open(this.#kafka, topic));
    this.#followers.set(topic, known);
    return known;
  }

  recordsOf(topic: string) {
    return this.#followers.get(topic)?.records ?? [];
  }

  /** Waits for what the plugin has to do. @param otherwise what it did wrong when it has not. */
  async eventually<T>(
    otherwise: string | (() => string),
    look: () => T | undefined | Promise<T | undefined>,
  ): Promise<T> {
    const process = this.#process;
    const why = () => {
      const ended = process?.isRunning === false ? "; its process has ended" : "";
      const said = (process?.output ?? "").slice(-OUTPUT_TOLD_MAX);
      return `${typeof otherwise === "string" ? otherwise : otherwise()}${ended}. The end of its output:\n${said}\n`;
    };
    return await eventually(look, this.waitMs, why);
  }
}
