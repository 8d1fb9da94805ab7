import { compatibilityPartitioner, createRecordsBatch } from "@platformatic/kafka";
import type { PluginEntry, TeamEntry } from "@plugboard/contract";
import type { Cluster } from "./cluster.ts";
import type { ControlPlane } from "./control-plane.ts";
import { EVENTS_TOPIC } from "./names.ts";
import { WALL_BEGINS_MS, type World } from "./world.ts";

export const PLUGINS = ["sheets", "sms", "search", "rules"] as const;
export const TEAMS = ["a", "b", "c", "d", "e"] as const;
/** Its copies may take the bulk lane. */
export const TEAM_WITH_QUOTA = "e";
const UNKNOWN_TEAM = "nobody";
const KEYS_PER_TEAM = 3;
export const SOURCE = "core";
/** Every plugin wants both; the second is urgent to the first plugin. */
const TYPES = ["onResponse", "onResponseUpdate"] as const;
export const EVENT_PARTITIONS = 4;

/** What was written to the topic of events. */
export interface Input {
  readonly id: string;
  /** Null for a record that is no event. */
  readonly team: string | null;
  readonly type: string;
  readonly key: string;
  readonly partition: number;
  readonly offset: number;
  readonly at: number;
}

function pluginEntry(plugin: string, events: readonly string[] = TYPES): Omit<PluginEntry, "v"> {
  const priorityEvents = plugin === PLUGINS[0] ? [TYPES[1]] : [];
  return { events: [...events], priorityEvents, sync: null, state: "enabled" };
}

function teamEntry(team: string, plugins: readonly string[]): Omit<TeamEntry, "v"> {
  const quota = team === TEAM_WITH_QUOTA ? { eventsPerSecond: 2, burst: 3 } : null;
  const route = { ready: true, forms: null, filter: null, mode: "async", onFailure: "open", quota } as const;
  return { plugins: plugins.map((id) => ({ id, ...route })) };
}

/** Events of some teams, in bursts, and teams that switch plugins on and off meanwhile. */
export class Workload {
  readonly inputs: Input[] = [];
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #controlPlane: ControlPlane;

  constructor(world: World, cluster: Cluster, controlPlane: ControlPlane) {
    this.#world = world;
    this.#cluster = cluster;
    this.#controlPlane = controlPlane;
  }

  start(events: number, untilMs: number, switches: number): void {
    const { chance } = this.#world;
    for (const plugin of PLUGINS) this.#controlPlane.setPlugin(plugin, pluginEntry(plugin));
    for (const team of TEAMS) this.#controlPlane.setTeam(team, teamEntry(team, this.#somePlugins()));
    for (let count = 0; count < switches; count += 1)
      this.#world.at(chance.between(200, untilMs), null, () => this.#switchOne());
    let left = events;
    while (left > 0) {
      const burst = Math.min(left, 1 + chance.below(chance.is(0.3) ? 25 : 5));
      left -= burst;
      const at = chance.between(100, untilMs);
      for (let index = 0; index < burst; index += 1)
        this.#world.at(at + chance.between(0, 60), null, () => this.#emit());
    }
  }

  #somePlugins(): string[] {
    const some = PLUGINS.filter(() => this.#world.chance.is(0.6));
    return some.length === 0 ? [PLUGINS[0]] : some;
  }

  #switchOne(): void {
    const { chance } = this.#world;
    if (chance.is(0.8)) {
      const team = chance.oneOf(TEAMS);
      this.#controlPlane.setTeam(team, teamEntry(team, this.#somePlugins()));
      return;
    }
    const plugin = chance.oneOf(PLUGINS);
    const wants = (this.#controlPlane.plugin(plugin)?.events.length ?? 0) > 1 ? [TYPES[0]] : TYPES;
    this.#controlPlane.setPlugin(plugin, pluginEntry(plugin, wants));
  }

  /** One batch of one or a few events of a key. */
  #emit(): void {
    const { chance } = this.#world;
    const isEvent = !chance.is(0.01);
    const team = chance.is(0.02) ? UNKNOWN_TEAM : chance.oneOf(TEAMS);
    const key = `${team}-${chance.below(KEYS_PER_TEAM)}`;
    const keyBytes = Buffer.from(key);
    const partition =
      compatibilityPartitioner({ topic: "", value: keyBytes }, keyBytes) % this.#cluster.eventPartitions;
    const count = chance.is(0.2) ? 1 + chance.below(4) : 1;
    const first = this.inputs.length;
    const rows = Array.from({ length: count }, (_, index) => {
      const type = chance.is(0.7) ? TYPES[0] : TYPES[1];
      return { id: `event-${first + index}`, type, size: chance.is(0.05) ? 2_500 : 80 + chance.below(300) };
    });
    const messages = rows.map(({ id, type, size }) => {
      const value = Buffer.alloc(size, ".");
      value.write(id);
      const headers = new Map(isEvent ? eventHeaders(id, type, team) : []);
      return { topic: EVENTS_TOPIC, key: keyBytes, value, headers, timestamp: BigInt(WALL_BEGINS_MS) };
    });
    // The clients of cores: any that writes a batch as Kafka's documentation says.
    const firstOffset = this.#cluster.appendEvents(partition, Buffer.from(createRecordsBatch(messages, {}).buffer));
    for (const [index, { id, type }] of rows.entries()) {
      const offset = firstOffset + index;
      this.inputs.push({ id, team: isEvent ? team : null, type, key, partition, offset, at: this.#world.now });
    }
  }
}

function eventHeaders(id: string, type: string, team: string): [Buffer, Buffer][] {
  const attributes = {
    ce_specversion: "1.0",
    ce_id: id,
    ce_source: SOURCE,
    ce_type: type,
    ce_teamid: team,
    ce_subject: id,
    ce_time: "2026-01-01T00:00:00Z",
  };
  return Object.entries(attributes).map(([name, value]) => [Buffer.from(name), Buffer.from(value)]);
}
