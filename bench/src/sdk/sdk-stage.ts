import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { pluginTopics } from "@plugboard/contract";
import { freePorts, shippedFlags } from "@plugboard/stack";
import pLimit from "p-limit";
import { type BenchSession, PLUGIN_PARTITIONS } from "../bench-session.ts";
import { type Child, nodeCommand, startChild, untilReady } from "../child.ts";
import { type ControlPlane, sql } from "../control-plane.ts";
import type { Report } from "../progress.ts";
import { teamId } from "../workload.ts";
import type { ConsumerKind } from "./consumers.ts";
import type { DeliveryTopic } from "./delivery-records.ts";
import { TALLY_VARIABLES } from "./tally.ts";

/** What one consumer is started on. */
export interface ConsumerJob {
  readonly kind: ConsumerKind;
  /** The live one. */
  readonly topic: DeliveryTopic;
  /** Events of the workload, for the counts. */
  readonly serials: number;
  readonly sinkUrl?: string | undefined;
  readonly profileDirectory?: string | undefined;
}

/** A consumer that runs, and what it leaves behind. */
export interface RunningConsumer {
  readonly child: Child;
  readonly group: string;
  readonly tally: string;
  /** The topic of its outcomes; written to by plugins only. */
  readonly outcomes: string;
  /** A database of its own, empty at its start; null for a peer. */
  readonly databaseUrl: string | null;
  /** Stops it, if it still runs, and removes its database and its topic of outcomes. */
  forget(): Promise<void>;
}

const REQUESTS_AT_ONCE = 16;
/** Flags of node that the repository's own plugins start with: peers get the same. */
const SHIPPED_AS = "plugins/validator";

/** A manager, and what plugins and peers stand on beside the broker. */
export class SdkStage {
  readonly session: BenchSession;
  readonly #plane: ControlPlane;
  readonly #port: number;

  private constructor(session: BenchSession, plane: ControlPlane, port: number) {
    this.session = session;
    this.#plane = plane;
    this.#port = port;
  }

  /** With the kind's plugin registered by itself, and enabled for so many teams through the manager. */
  static async open(session: BenchSession, kind: ConsumerKind, teams: number, report: Report): Promise<SdkStage> {
    const [plane, [port = 0]] = await Promise.all([session.openControlPlane(), freePorts(1)]);
    const stage = new SdkStage(session, plane, port);
    const { plugin } = kind;
    if (plugin === null) throw new Error(`${kind.id} is no plugin`);
    const topic = await stage.createTopics(plugin.id);
    const consumer = await stage.start({ kind, topic, serials: 0 });
    try {
      await stage.ready(consumer.child);
      const limit = pLimit(REQUESTS_AT_ONCE);
      const all = Array.from({ length: teams }, (_, team) =>
        limit(async () => {
          await plane.enable(teamId(team), plugin.id, { enabled: true });
          report(`${team + 1} of ${teams} teams enabled`);
        }),
      );
      await Promise.all(all);
    } finally {
      await consumer.forget();
      await stage.deleteTopics(topic);
    }
    return stage;
  }

  /** Topics of a plugin, of all its lanes, under a prefix of their own. @returns its live one, to write to. */
  async createTopics(plugin: string): Promise<DeliveryTopic> {
    const prefix = `${this.session.name("of")}.`;
    const topics = pluginTopics(plugin, prefix);
    await this.session.kafka.createTopics({ names: Object.values(topics), partitions: PLUGIN_PARTITIONS });
    return { topic: topics.live, partitions: PLUGIN_PARTITIONS, plugin, prefix };
  }

  async deleteTopics({ plugin, prefix }: DeliveryTopic): Promise<void> {
    await this.session.kafka.deleteTopics(Object.values(pluginTopics(plugin, prefix)));
  }

  /** Waits until the plugin is registered and consumes. */
  async ready(child: Child): Promise<void> {
    await untilReady(child, `http://127.0.0.1:${this.#port}`);
  }

  /** Starts a consumer under a group that was never used. */
  async start(job: ConsumerJob): Promise<RunningConsumer> {
    const { kind } = job;
    const { session } = this;
    const group = session.name(kind.id);
    const tally = join(session.directory, group);
    mkdirSync(tally);
    const outcomes = `${group}.deliveries`;
    const commands = `${group}.commands`;
    await session.kafka.createTopics({ names: [outcomes, commands], partitions: 1 });
    const databaseUrl = kind.plugin === null ? null : await this.#newDatabase(group);
    const child = await startChild({
      name: group,
      command: nodeCommand(),
      args: [
        ...shippedFlags(SHIPPED_AS),
        ...(job.profileDirectory === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${job.profileDirectory}`]),
        kind.script,
      ],
      env: {
        [TALLY_VARIABLES.directory]: tally,
        [TALLY_VARIABLES.serials]: String(job.serials),
        ...(job.sinkUrl !== undefined && { BENCH_SINK_URL: job.sinkUrl }),
        ...(databaseUrl === null
          ? this.#peerEnvironment(job, group)
          : await this.#pluginEnvironment(job, { group, databaseUrl, outcomes, commands })),
      },
      directory: session.directory,
    });
    const forget = async () => {
      await child.end();
      await session.kafka.deleteTopics([outcomes, commands]);
      if (databaseUrl !== null) await this.#dropDatabase(databaseUrl);
    };
    return { child, group, tally, outcomes, databaseUrl, forget };
  }

  #peerEnvironment({ topic }: ConsumerJob, group: string): Record<string, string> {
    return { BENCH_BROKERS: this.session.brokers, BENCH_GROUP: group, BENCH_TOPIC: topic.topic };
  }

  async #pluginEnvironment(
    { kind, topic }: ConsumerJob,
    own: { readonly group: string; readonly databaseUrl: string; readonly outcomes: string; readonly commands: string },
  ): Promise<Record<string, string>> {
    const { plugin } = kind;
    if (plugin === null) throw new Error(`${kind.id} is no plugin`);
    return {
      ...(await this.#plane.pluginEnvironment(plugin.id)),
      PORT: String(this.#port),
      DATABASE_URL: own.databaseUrl,
      PLUGIN_TOPIC_PREFIX: topic.prefix,
      PLUGIN_GROUP_ID: own.group,
      DELIVERIES_TOPIC: own.outcomes,
      CORE_COMMANDS_TOPIC: own.commands,
      BENCH_HANDLING: plugin.handling,
      BENCH_IDENTITY: plugin.identity,
      BENCH_OUTCOMES: plugin.outcomes,
      ...plugin.environment,
    };
  }

  /** The same deliveries come in every run: what a plugin remembers of them must not outlive one. */
  async #newDatabase(group: string): Promise<string> {
    const { url } = await this.session.postgres();
    const name = group.replaceAll("-", "_");
    await sql(url, `CREATE DATABASE ${name}`);
    const own = new URL(url);
    own.pathname = `/${name}`;
    return own.href;
  }

  async #dropDatabase(databaseUrl: string): Promise<void> {
    const { url } = await this.session.postgres();
    await sql(url, `DROP DATABASE ${new URL(databaseUrl).pathname.slice(1)} WITH (FORCE)`);
  }
}
