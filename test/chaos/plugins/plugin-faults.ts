import { setTimeout as pause } from "node:timers/promises";
import { killLeader } from "../faults/broker-killed.ts";
import type { Fault } from "../faults/fault.ts";
import { managersKilled } from "../faults/managers-killed.ts";
import { postgresKilled } from "../faults/postgres-killed.ts";
import type { Instance, PluginRig } from "./plugin-rig.ts";
import { LEASE_MS } from "./roster.ts";

type PluginFault = Fault<PluginRig>;

/** Longer than a claim holds, and than Kafka waits for a silent instance. */
const FROZEN_MS = LEASE_MS + 6_000;

/** On a machine so busy that the time is over before: kills there must be. */
const KILLS_MIN = 4;
/** Started again at once: the others settle deliveries meanwhile, and the next of them is killed. */
const STARTING_MAX = 2;

/** One instance of each plugin. */
function oneOfEach({ options, instances }: PluginRig, choose: (of: readonly Instance[]) => Instance): Instance[] {
  return options.kinds.map((kind) => choose(instances.filter((instance) => instance.kind === kind)));
}

const instancesKilledInTurn: PluginFault = {
  name: "instances-killed-in-turn",
  what: "kill -9 of one instance after the other, each after its plugin was seen to settle deliveries",
  touches: ["plugin"],
  standsMs: 0,
  inject: async (rig, dice) => {
    const until = Date.now() + rig.options.killForMs;
    const starting = new Map<Instance, Promise<void>>();
    const failures: unknown[] = [];
    let kills = 0;
    while (Date.now() < until || kills < KILLS_MIN) {
      if (starting.size >= STARTING_MAX) await Promise.race(starting.values());
      const instance = dice.oneOf(rig.instances.filter((one) => !starting.has(one)));
      await rig.progress(instance.kind);
      const start = await rig.kill([instance]);
      kills += 1;
      const started = start()
        .catch((error: unknown) => void failures.push(error))
        .finally(() => starting.delete(instance));
      starting.set(instance, started);
    }
    await Promise.all(starting.values());
    rig.options.report(`  ${kills} kills`);
    if (failures.length > 0) throw failures[0];
    return async () => {};
  },
};

const allInstancesKilled: PluginFault = {
  name: "all-instances-killed",
  what: "kill -9 of all instances of all plugins at once, for 3 s",
  touches: ["plugin"],
  standsMs: 3_000,
  inject: (rig) => rig.kill(rig.instances),
};

const instanceStopped: PluginFault = {
  name: "instance-stopped",
  what: "SIGTERM of an instance of each plugin, for 3 s",
  touches: ["plugin"],
  standsMs: 3_000,
  inject: async (rig, dice) => {
    const chosen = oneOfEach(rig, (of) => dice.oneOf(of));
    for (const { service } of chosen) rig.journal.disturbed(`SIGTERM of ${service.name}`);
    await Promise.all(chosen.map(({ service }) => service.end("SIGTERM")));
    return async () => void (await Promise.all(chosen.map(({ service }) => service.start())));
  },
};

const instanceFrozen: PluginFault = {
  name: "instance-frozen",
  what: `SIGSTOP of an instance of each plugin for ${FROZEN_MS / 1_000} s: its claims and its session run out`,
  touches: ["plugin"],
  standsMs: FROZEN_MS,
  inject: async (rig, dice) => {
    const chosen = oneOfEach(rig, (of) => dice.oneOf(of));
    for (const { service } of chosen) {
      rig.journal.disturbed(`SIGSTOP of ${service.name}`);
      rig.freezes.push({ instance: service.name, from: Date.now(), until: Number.POSITIVE_INFINITY });
    }
    await Promise.all(chosen.map(({ service }) => service.freeze()));
    return async () => {
      for (const freeze of rig.freezes) freeze.until = Math.min(freeze.until, Date.now());
      for (const { service } of chosen) {
        rig.journal.disturbed(`SIGCONT of ${service.name}`);
        service.resume();
      }
    };
  },
};

const brokerKilled: PluginFault = {
  name: "broker-killed",
  what: "kill -9 of a broker that leads partitions of the plugins' topics, for 8 s",
  touches: ["brokers"],
  standsMs: 8_000,
  inject: (rig, dice) => killLeader(rig, rig.topics, dice),
};

const CUTS = 5;

const connectionsCut: PluginFault = {
  name: "connections-cut",
  what: `all connections to Postgres and to the vendor cut, ${CUTS} times`,
  touches: ["vendor"],
  standsMs: 0,
  inject: async (rig) => {
    const [kind] = rig.options.kinds;
    for (let cut = 0; cut < CUTS && kind !== undefined; cut += 1) {
      rig.journal.disturbed("connections cut");
      rig.vendor.cut();
      await rig.query(
        kind,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name LIKE 'plugboard-%'",
      );
      await pause(1_000);
    }
    return async () => {};
  },
};

const vendorAway: PluginFault = {
  name: "vendor-away",
  what: "the vendor answers 503 to everything for 8 s",
  touches: ["vendor"],
  standsMs: 8_000,
  inject: async ({ vendor }) => {
    vendor.away = true;
    return async () => {
      vendor.away = false;
    };
  },
};

/** Likewise what was under way when its database went: nobody can tell what it came to. */
const postgresKilledUnderPlugins: PluginFault = {
  ...postgresKilled,
  inject: async (rig, dice) => {
    rig.journal.disturbed("kill -9 of Postgres");
    const heal = await postgresKilled.inject(rig, dice);
    return async () => {
      rig.journal.disturbed("start of Postgres");
      await heal();
    };
  },
};

/** Every fault that plugins are broken with. */
export const PLUGIN_FAULTS: readonly PluginFault[] = [
  instancesKilledInTurn,
  allInstancesKilled,
  instanceStopped,
  instanceFrozen,
  brokerKilled,
  postgresKilledUnderPlugins,
  connectionsCut,
  managersKilled,
  vendorAway,
];

/** Those that one broker and one manager can stand, beside the kills of every run. */
export const SHORT_PLUGIN_FAULTS: readonly PluginFault[] = [
  allInstancesKilled,
  instanceStopped,
  postgresKilledUnderPlugins,
  connectionsCut,
  vendorAway,
];
export const ALWAYS: PluginFault = instancesKilledInTurn;
