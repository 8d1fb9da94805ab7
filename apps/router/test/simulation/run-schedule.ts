import { parkedGroup } from "@plugboard/contract";
import type { RoutingTable } from "@plugboard/routing-table";
import { check, type Findings } from "./check.ts";
import { Cluster } from "./cluster.ts";
import { ControlPlane } from "./control-plane.ts";
import { RULE_AGE_MS_MAX } from "./facts.ts";
import { FAULTS, type Fault, type Rig } from "./faults.ts";
import { History } from "./history.ts";
import { DEAD_LETTERS_TOPIC, DELIVERIES_TOPIC, EVENTS_TOPIC, GROUP, PARKED_TOPIC } from "./names.ts";
import { giveKafka } from "./network.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import { IN_FLIGHT_BYTES, SimulatedRouter } from "./simulated-router.ts";
import { EVENT_PARTITIONS, PLUGINS, TEAMS, Workload } from "./workload.ts";
import { useWorld, World } from "./world.ts";

/** When the last events come, and when faults begin no more. */
const LOAD_MS = 6_000;
/** How long everything may take to be routed once all is healed. */
const HEAL_MS_MAX = 120_000;
/** What comes late, comes by then. */
const REST_MS = 3_000;
/** Between looks whether a process has ended. */
const REPLACE_LOOK_MS = 100;

type Delivery = "at-least-once" | "exactly-once";

/** What a schedule is confined to; the seed decides the rest. */
export interface Confinement {
  readonly faults: readonly string[];
  readonly delivery: Delivery | undefined;
}

export interface ScheduleResult extends Findings {
  readonly seed: number;
  readonly delivery: Delivery;
  readonly faults: readonly string[];
  readonly inputs: number;
  readonly copies: number;
  /** Things that happened in routers: timers, answers. */
  readonly events: number;
  readonly simulatedMs: number;
  /** What the routers logged, and the faults, for the one who looks for the cause. */
  readonly trace: readonly string[];
}

/** One world, from its seed: some routers under load, faults, healing, and everything held against what had to be. */
export async function runSchedule(seed: number, only: Confinement): Promise<ScheduleResult> {
  const simulation = new Simulation(seed, only);
  return await simulation.run();
}

class Simulation implements Rig {
  readonly world: World;
  readonly cluster: Cluster;
  readonly controlPlane: ControlPlane;
  readonly history: History;
  readonly pluginTopics: readonly string[];
  suspendedMsMax = 0;
  readonly #seed: number;
  readonly #workload: Workload;
  readonly #routers: SimulatedRouter[] = [];
  readonly #faults: readonly Fault[];
  readonly #trace: string[] = [];
  readonly #delivery: Delivery;
  /** Whether routers keep their places in the group through a restart. */
  readonly #static: boolean;
  #places = 0;
  #healedAt = LOAD_MS;

  constructor(seed: number, { faults: only, delivery }: Confinement) {
    this.#seed = seed;
    this.world = new World(seed);
    useWorld(this.world);
    const { chance } = this.world;
    this.history = new History(this.world);
    this.cluster = new Cluster(this.world, 1 + chance.below(3), [EVENTS_TOPIC, PARKED_TOPIC], this.history);
    giveKafka(this.world, this.cluster.network);
    this.controlPlane = new ControlPlane(this.world);
    this.#workload = new Workload(this.world, this.cluster, this.controlPlane);
    this.cluster.createTopic(EVENTS_TOPIC, EVENT_PARTITIONS);
    this.cluster.createTopic(DEAD_LETTERS_TOPIC, 1);
    this.cluster.createTopic(DELIVERIES_TOPIC, 1);
    this.cluster.createTopic(PARKED_TOPIC, 2);
    this.pluginTopics = PLUGINS.flatMap((id) => [`plugin.${id}`, `plugin.${id}.priority`, `plugin.${id}.bulk`]);
    for (const name of this.pluginTopics) this.cluster.createTopic(name, 2);
    const possible = only.length === 0 ? FAULTS : FAULTS.filter(({ name }) => only.includes(name));
    this.#faults = Array.from({ length: chance.below(7) }, () => chance.oneOf(possible));
    const drawn = chance.is(0.5) ? "exactly-once" : "at-least-once";
    this.#delivery = delivery ?? drawn;
    this.#static = this.exactlyOnce || chance.is(0.5);
  }

  running(): SimulatedRouter[] {
    return this.#routers.filter(({ process }) => process.alive);
  }

  get exactlyOnce(): boolean {
    return this.#delivery === "exactly-once";
  }

  replace(router: SimulatedRouter, afterMs: number): void {
    this.world.at(afterMs, null, () => {
      const { instanceId } = router;
      const isTaken = instanceId !== undefined && this.running().some((other) => other.instanceId === instanceId);
      if (router.process.alive && isTaken) this.replace(router, REPLACE_LOOK_MS);
      else if (!isTaken) this.#startRouter(0, instanceId);
    });
  }

  add(twin?: SimulatedRouter): void {
    this.#startRouter(0, twin?.instanceId);
  }

  async run(): Promise<ScheduleResult> {
    const { world, history } = this;
    const { chance } = world;
    world.afterEvent = () => this.#checkBytes();
    this.#workload.start(30 + chance.below(120), LOAD_MS, chance.is(0.5) ? 0 : chance.below(8));
    const routers = 1 + chance.below(3);
    for (let count = 0; count < routers; count += 1) this.#startRouter(chance.between(0, 400));
    for (const fault of this.#faults) world.at(chance.between(100, LOAD_MS), null, () => this.#inject(fault));
    await world.run(LOAD_MS);
    // What was begun ends by itself; the last one to end may have been begun by another.
    while (world.now < this.#healedAt) await world.run(this.#healedAt);
    if (this.running().length === 0) this.#startRouter(0);
    await world.run(world.now + HEAL_MS_MAX, () => this.#isQuiet());
    const settled = this.#isQuiet();
    await world.run(world.now + REST_MS);
    if (!settled) history.broken.push(`stuck: ${this.#behind()} after ${HEAL_MS_MAX} ms without faults`);
    await this.#checkTables();
    history.broken.push(...world.crashes.map((crash) => `crashed: ${crash}`));
    return this.#result();
  }

  #startRouter(afterMs: number, place?: string): void {
    if (place === undefined) this.#places += 1;
    const router = new SimulatedRouter(`router-${this.#routers.length + 1}`, {
      world: this.world,
      delivery: this.#delivery,
      instanceId: this.#static ? (place ?? `place-${this.#places}`) : undefined,
      brokers: this.cluster.addresses,
      controlPlane: this.controlPlane,
      onLine: this.history.onLine,
      onResolved: (process, teams, answer) => this.#checkAnswer(process, teams, answer),
    });
    this.#routers.push(router);
    router.start(afterMs);
  }

  #inject(fault: Fault): void {
    const overMs = fault.inject(this);
    this.#healedAt = Math.max(this.#healedAt, this.world.now + overMs);
    this.#trace.push(`${this.world.now.toFixed(1)} fault ${fault.name} for ${overMs.toFixed(0)} ms`);
  }

  /** Everything is routed, and what was parked has gone back. */
  #isQuiet(): boolean {
    return this.#progress().every(({ done, end }) => done === end);
  }

  /** How far the groups are in the partitions that they read. */
  #progress() {
    const { topics, groups } = this.cluster;
    const read = [
      [GROUP, EVENTS_TOPIC],
      [parkedGroup(GROUP), PARKED_TOPIC],
    ] as const;
    return read.flatMap(([group, topic]) =>
      (topics.get(topic)?.partitions ?? []).map(({ log: { end, stableEnd } }, partition) => {
        const { offset: done = 0, metadata = null } = groups.committed(group, topic, partition) ?? {};
        return { place: `${topic}/${partition}`, done, metadata, end, stableEnd };
      }),
    );
  }

  #behind(): string {
    const behind = this.#progress().filter(({ done, end }) => done !== end);
    return behind
      .map(({ place, done, metadata, end, stableEnd }) => {
        const open = stableEnd < end ? `, a transaction open from ${stableEnd} on` : "";
        return `${place} at ${done} of ${end}${metadata === null ? "" : ` (${metadata})`}${open}`;
      })
      .join(", ");
  }

  #checkBytes(): void {
    // One fetch from each broker may come on top of the limit.
    const most = IN_FLIGHT_BYTES + this.cluster.nodes.length * this.cluster.logs.fetchedBytesMax;
    for (const { process, inFlightBytes } of this.#routers)
      if (inFlightBytes > most)
        this.history.broken.push(`bytes in flight: ${process.name} holds ${inFlightBytes}, above ${most}`);
  }

  /** No answer of a routing table may be older than its bound. */
  #checkAnswer(
    process: SimulatedProcess,
    teams: readonly string[],
    answer: Awaited<ReturnType<RoutingTable["resolve"]>>,
  ): void {
    const { now } = this.world;
    const from = now - RULE_AGE_MS_MAX - process.suspendedMs;
    for (const team of teams) {
      const versions = this.controlPlane.teamBetween(team, from, now).map((entry) => entry?.v ?? null);
      const version = answer.get(team)?.team.v ?? null;
      if (!versions.includes(version))
        this.history.broken.push(
          `stale: ${process.name} took version ${version} of team ${team} for current at ${now.toFixed(1)}, not ${versions.join(" or ")}`,
        );
    }
  }

  /** Healed, every router's table is what the manager has. */
  async #checkTables(): Promise<void> {
    const { world, controlPlane } = this;
    let told = 0;
    const running = this.running().filter(({ process, table }) => !process.frozen && table !== undefined);
    for (const { process, table } of running)
      world.at(0, process, () => {
        void table?.resolve([...TEAMS]).then((answer) => {
          told += 1;
          for (const team of TEAMS) {
            const [known, truth] = [answer.get(team)?.team.v, controlPlane.team(team)?.v];
            if (known !== truth)
              this.history.broken.push(`table: ${process.name} has version ${known} of team ${team}, not ${truth}`);
          }
        });
      });
    await world.run(world.now + 5_000, () => told === running.length);
    if (told < running.length) this.history.broken.push("table: a router's does not answer, though all is healed");
  }

  #result(): ScheduleResult {
    const { world, history, controlPlane, suspendedMsMax, exactlyOnce } = this;
    const { inputs } = this.#workload;
    const mayPark = this.#faults.some((fault) => fault.mayPark);
    const findings = check({ history, inputs, controlPlane, exactlyOnce, suspendedMsMax, mayPark });
    const lines = history.lines.map(
      ({ at, process, level, message, detail }) =>
        `${at.toFixed(1)} ${process.name} ${level} ${message} ${shortened(detail)}`,
    );
    for (const router of this.#routers) router.kill();
    return {
      ...findings,
      seed: this.#seed,
      delivery: this.#delivery,
      faults: this.#faults.map(({ name }) => name),
      inputs: inputs.length,
      copies: history.copies.length,
      events: world.events,
      simulatedMs: world.now,
      trace: [...this.#trace, ...lines].sort((one, other) => Number.parseFloat(one) - Number.parseFloat(other)),
    };
  }
}

function shortened(detail: object): string {
  const plain = (_key: string, value: unknown) => (value instanceof Error ? value.message : value);
  return JSON.stringify(detail, plain).slice(0, 300);
}
