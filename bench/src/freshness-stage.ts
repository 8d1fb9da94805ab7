import { setTimeout as sleep } from "node:timers/promises";
import type { MessageToProduce } from "@platformatic/kafka";
import { DELIVERY_HEADER, EVENT_HEADER } from "@plugboard/contract";
import { waitUntil } from "@plugboard/stack";
import { createProducer } from "./bench-kafka.ts";
import { type BenchSession, PLUGIN_PARTITIONS } from "./bench-session.ts";
import type { Child } from "./child.ts";
import { type ControlPlane, sql } from "./control-plane.ts";
import { PEERS, type PeerJob, topicsOf } from "./peers.ts";
import type { TableCheck } from "./result.ts";
import { type FetchedCopy, TopicFetcher } from "./topic-fetcher.ts";
import { pluginId, teamId } from "./workload.ts";

/** The team whose rules are changed; a plugin it always has, and the one that is changed. */
export const PROBE_TEAM = "probe";
export const ALWAYS = pluginId(0);
export const CHANGED = pluginId(1);
const TICK_MS = 2;
/** Every so many records is one of the probe team. */
const PROBE_EVERY = 4;
const CHECK_MS = 60_000;

/** A copy of the probe team's: which versions decided it, and when it was appended. */
export interface ProbeCopy {
  readonly plugin: string;
  readonly teamVersion: number;
  readonly pluginVersion: number;
  readonly appendedAtMs: number;
}

/** Routers under a load of which one team is watched. */
export class FreshnessStage {
  readonly probes: ProbeCopy[] = [];
  readonly #session: BenchSession;
  readonly #plane: ControlPlane;
  readonly #job: PeerJob;
  readonly #ratePerSecond: number;
  readonly #producer: ReturnType<typeof createProducer>;
  readonly #fetcher: TopicFetcher;
  readonly #routers: Child[] = [];
  readonly #checks = new Map<string, string[]>();
  #stopped = false;
  #failure: unknown;
  #serial = 0;
  #work: Promise<void>[] = [];

  private constructor(
    session: BenchSession,
    plane: ControlPlane,
    job: PeerJob,
    ratePerSecond: number,
    fetcher: TopicFetcher,
  ) {
    this.#session = session;
    this.#plane = plane;
    this.#job = job;
    this.#ratePerSecond = ratePerSecond;
    this.#fetcher = fetcher;
    this.#producer = createProducer(session.brokers);
  }

  /** With its routers running and the load on. */
  static async open(
    session: BenchSession,
    plane: ControlPlane,
    job: PeerJob,
    options: { readonly routers: number; readonly ratePerSecond: number },
  ): Promise<FreshnessStage> {
    await session.kafka.createTopics({ names: [job.input], partitions: session.inputPartitions });
    await session.kafka.createTopics({ names: topicsOf(job), partitions: PLUGIN_PARTITIONS });
    const fetcher = await TopicFetcher.open(session.brokers, topicsOf(job));
    const stage = new FreshnessStage(session, plane, job, options.ratePerSecond, fetcher);
    const plugboard = PEERS.find(({ id }) => id === "plugboard");
    for (let instance = 0; instance < options.routers; instance++) {
      const router = await plugboard?.start({ ...job, instance });
      if (router !== undefined) stage.#routers.push(router);
    }
    stage.#work = [stage.#load(), stage.#follow()];
    await waitUntil("the probe team's events are routed", CHECK_MS, () => stage.probes.length > 0 || undefined);
    return stage;
  }

  /** @throws when the load, the reader or a router has failed. */
  assertWell(): void {
    if (this.#failure !== undefined) throw this.#failure;
    for (const router of this.#routers) router.assertRunning();
  }

  /**
   * Has an event of every team routed from every partition, so by every router, and compares plugins and versions with
   * Postgres.
   */
  async checkTables(scenario: string): Promise<TableCheck> {
    const rows = await sql<{ key: string; v: number; entry: { plugins?: { id: string; ready: boolean }[] } }>(
      this.#plane.databaseUrl,
      "SELECT key, v, entry FROM routing_entries",
    );
    const versions = new Map(rows.map(({ key, v }) => [key, v]));
    const expected = new Map<string, string[]>();
    const messages: MessageToProduce<Buffer, Buffer, Buffer, Buffer>[] = [];
    const teams = rows.filter(({ key }) => key.startsWith("team:"));
    for (const { key, v, entry } of teams) {
      const team = key.slice("team:".length);
      for (let partition = 0; partition < this.#session.inputPartitions; partition++) {
        const id = `check-${scenario}-${this.#serial++}`;
        const ready = (entry.plugins ?? []).filter((plugin) => plugin.ready);
        expected.set(id, ready.map((plugin) => `${plugin.id}@${v}.${versions.get(`plugin:${plugin.id}`)}`).sort());
        messages.push(this.#event(team, id, partition));
      }
    }
    for (let from = 0; from < messages.length; from += 1_000)
      await this.#producer.send({ messages: messages.slice(from, from + 1_000), acks: -1 });
    const differing = () =>
      [...expected].filter(([id, copies]) => copies.join() !== (this.#checks.get(id) ?? []).toSorted().join());
    await waitUntil("all routers' tables equal Postgres", CHECK_MS, () => differing().length === 0 || undefined).catch(
      () => {},
    );
    const differences = differing().length;
    this.#checks.clear();
    return { scenario, teams: teams.length, routers: this.#routers.length, differences };
  }

  async close(): Promise<void> {
    this.#stopped = true;
    await Promise.allSettled(this.#work);
    await Promise.all(this.#routers.map((router) => router.end()));
    await this.#fetcher.close();
    await this.#producer.close(true);
    await this.#session.kafka.deleteTopics([this.#job.input, ...topicsOf(this.#job)]);
  }

  /** Sends what is due, whatever comes back. */
  async #load(): Promise<void> {
    const startedAtMs = performance.now();
    let sent = 0;
    while (!this.#stopped) {
      const due = Math.floor(((performance.now() - startedAtMs) * this.#ratePerSecond) / 1_000);
      const messages = Array.from({ length: due - sent }, (_, index) => {
        const serial = sent + index;
        const team = serial % PROBE_EVERY === 0 ? PROBE_TEAM : teamId(serial % this.#job.workload.spec.teams);
        return this.#event(team, `load-${serial}`, Math.floor(serial / PROBE_EVERY) % this.#session.inputPartitions);
      });
      sent = due;
      if (messages.length > 0)
        void this.#producer.send({ messages, acks: -1 }).catch((error: unknown) => {
          this.#failure ??= error;
        });
      await sleep(TICK_MS);
    }
  }

  async #follow(): Promise<void> {
    try {
      while (!this.#stopped) await this.#fetcher.poll((copy) => this.#take(copy));
    } catch (error) {
      this.#failure ??= error;
    }
  }

  #take(copy: FetchedCopy): void {
    const team = headerOf(copy, DELIVERY_HEADER.team);
    const id = headerOf(copy, EVENT_HEADER.id);
    if (!id.startsWith("check-") && team !== PROBE_TEAM) return;
    const version = headerOf(copy, DELIVERY_HEADER.routeVersion);
    const plugin = headerOf(copy, DELIVERY_HEADER.plugin);
    if (id.startsWith("check-")) {
      const seen = this.#checks.get(id) ?? [];
      // A copy that is written again, after a fault, says nothing new.
      if (!seen.includes(`${plugin}@${version}`)) this.#checks.set(id, [...seen, `${plugin}@${version}`]);
      return;
    }
    const [teamVersion = 0, pluginVersion = 0] = version.split(".").map(Number);
    this.probes.push({ plugin, teamVersion, pluginVersion, appendedAtMs: copy.appendedAtMs });
  }

  #event(team: string, id: string, partition: number): MessageToProduce<Buffer, Buffer, Buffer, Buffer> {
    const texts = {
      [EVENT_HEADER.specversion]: "1.0",
      [EVENT_HEADER.id]: id,
      [EVENT_HEADER.source]: "bench",
      [EVENT_HEADER.type]: "onResponse",
      [EVENT_HEADER.teamId]: team,
      [EVENT_HEADER.subject]: id,
    };
    const headers = new Map(Object.entries(texts).map(([name, text]) => [Buffer.from(name), Buffer.from(text)]));
    const value = Buffer.from('{"answers":{"age":40}}');
    return { topic: this.#job.input, partition, key: Buffer.from(id), value, headers };
  }
}

function headerOf({ headers }: FetchedCopy, name: string): string {
  return headers.find((header) => header[0]?.toString("latin1") === name)?.[1]?.toString() ?? "";
}
