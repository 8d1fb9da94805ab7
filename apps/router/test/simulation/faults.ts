import type { Cluster } from "./cluster.ts";
import type { ControlPlane } from "./control-plane.ts";
import type { History } from "./history.ts";
import type { SimulatedRouter } from "./simulated-router.ts";
import type { World } from "./world.ts";

/** What faults act on. */
export interface Rig {
  readonly world: World;
  readonly cluster: Cluster;
  readonly controlPlane: ControlPlane;
  readonly history: History;
  /** Routers that are not dead and not about to end. */
  running(): SimulatedRouter[];
  /** Starts another in its place, a moment later: a static member's not before it has ended, nor beside another. */
  replace(router: SimulatedRouter, afterMs: number): void;
  /** Starts one more, in a place of its own or (by mistake) in that of one that runs. */
  add(twin?: SimulatedRouter): void;
  readonly exactlyOnce: boolean;
  /** Names of the plugins' topics. */
  readonly pluginTopics: readonly string[];
  suspendedMsMax: number;
}

export interface Fault {
  readonly name: string;
  /** Whether copies may be parked for it. */
  readonly mayPark?: boolean;
  /** @returns when it is over, milliseconds from now. */
  inject(rig: Rig): number;
}

/** How long what a fault interrupts may go on to have effects: a request's time-out, a session, another try. */
const ECHO_MS = 45_000;

export const FAULTS: readonly Fault[] = [
  {
    name: "router-killed",
    inject: (rig) =>
      withRouter(rig, (router) => {
        rig.history.disturbed(ECHO_MS, "router-killed");
        router.kill();
        rig.replace(router, rig.world.chance.between(100, 3_000));
        return 0;
      }),
  },
  {
    name: "router-stopped",
    inject: (rig) =>
      withRouter(rig, (router) => {
        router.stop();
        rig.replace(router, rig.world.chance.between(100, 3_000));
        return 0;
      }),
  },
  {
    name: "router-added",
    inject: (rig) =>
      withRouter(rig, () => {
        if (rig.running().length < 4) rig.add();
        return 0;
      }),
  },
  {
    name: "instance-id-taken",
    inject: (rig) =>
      withRouter(rig, (router) => {
        if (router.instanceId === undefined) return 0;
        const ms = rig.world.chance.between(1_000, 6_000);
        rig.history.disturbed(ms + ECHO_MS, "instance-id-taken");
        rig.add(router);
        rig.world.at(ms, null, () => {
          router.stop();
          // Where the other one has ended meanwhile.
          rig.replace(router, 0);
        });
        return ms;
      }),
  },
  { name: "router-frozen", inject: (rig) => freeze(rig, false) },
  { name: "machine-suspended", inject: (rig) => freeze(rig, true) },
  {
    name: "clock-jumps",
    inject: (rig) =>
      withRouter(rig, ({ process }) => {
        process.wallOffsetMs += rig.world.chance.between(-1, 1) * 3_600_000;
        return 0;
      }),
  },
  {
    name: "broker-killed",
    mayPark: true,
    inject: (rig) => {
      const ms = rig.world.chance.between(2_000, 9_000);
      rig.history.disturbed(ms + ECHO_MS, "broker-killed");
      rig.cluster.kill(rig.world.chance.oneOf(rig.cluster.nodes), ms);
      return ms;
    },
  },
  {
    name: "broker-slow",
    mayPark: true,
    inject: ({ world, cluster, history }) => {
      const ms = world.chance.between(1_000, 9_000);
      const node = world.chance.oneOf(cluster.nodes);
      node.slowness = world.chance.oneOf([30, 300, 3_000]);
      history.disturbed(ms + ECHO_MS, "broker-slow");
      world.at(ms, null, () => {
        node.slowness = 1;
      });
      return ms;
    },
  },
  {
    name: "leaders-moved",
    mayPark: true,
    inject: ({ cluster, history }) => {
      history.disturbed(ECHO_MS, "leaders-moved");
      cluster.shuffle();
      return 0;
    },
  },
  {
    name: "connections-reset",
    inject: ({ world, cluster, history }) => {
      history.disturbed(ECHO_MS, "connections-reset");
      cluster.network.reset(() => world.chance.is(0.5));
      return 0;
    },
  },
  {
    name: "answers-lost",
    inject: ({ world, cluster, history }) => {
      history.disturbed(ECHO_MS, "answers-lost");
      cluster.network.lostAnswers += 1 + world.chance.below(8);
      return 0;
    },
  },
  {
    name: "router-cut-off",
    mayPark: true,
    inject: (rig) =>
      withRouter(rig, ({ process }) => {
        const { world, cluster, history } = rig;
        const ms = world.chance.between(500, 25_000);
        history.disturbed(ms + ECHO_MS, "router-cut-off");
        const everywhere = world.chance.is(0.5);
        for (const { name } of cluster.nodes)
          if (everywhere || world.chance.is(0.4)) cluster.network.cut(process, name, ms);
        return ms;
      }),
  },
  {
    name: "partition-added",
    inject: ({ cluster }) => {
      cluster.addEventPartition();
      return 0;
    },
  },
  {
    name: "plugin-topic-deleted",
    mayPark: true,
    inject: ({ world, cluster, pluginTopics }) => {
      const ms = world.chance.between(500, 9_000);
      const name = world.chance.oneOf(pluginTopics);
      const partitions = cluster.topics.get(name)?.partitions.length ?? 0;
      if (partitions === 0) return 0;
      cluster.deleteTopic(name);
      world.at(ms, null, () => cluster.createTopic(name, partitions));
      return ms;
    },
  },
  {
    name: "plugin-topic-unwritable",
    mayPark: true,
    inject: ({ world, cluster, pluginTopics, history }) => {
      const ms = world.chance.between(500, 9_000);
      const topic = cluster.topics.get(world.chance.oneOf(pluginTopics));
      const partitions = world.chance.oneOf([[0], [1], [0, 1]]);
      if (topic === undefined) return 0;
      for (const partition of partitions) topic.refusing.add(partition);
      if (world.chance.is(0.5)) {
        // What was written as a replica went is there, and not acknowledged.
        history.disturbed(ms + ECHO_MS, "plugin-topic-unwritable");
        topic.hangsUntil = world.now + world.chance.between(100, 2_000);
      }
      world.at(ms, null, () => {
        for (const partition of partitions) topic.refusing.delete(partition);
      });
      return ms;
    },
  },
  {
    name: "plugin-topic-takes-little",
    mayPark: true,
    inject: ({ world, cluster, pluginTopics }) => {
      const ms = world.chance.between(500, 9_000);
      const topic = cluster.topics.get(world.chance.oneOf(pluginTopics));
      if (topic === undefined) return 0;
      const { bytesMax } = topic;
      topic.bytesMax = 2_000;
      world.at(ms, null, () => {
        topic.bytesMax = bytesMax;
      });
      return ms;
    },
  },
  {
    name: "redis-flushed",
    inject: ({ controlPlane }) => {
      controlPlane.flush();
      return 0;
    },
  },
  {
    name: "redis-lost-its-tail",
    inject: ({ world, controlPlane }) => {
      controlPlane.loseTail(1 + world.chance.below(4));
      return 0;
    },
  },
  {
    name: "redis-restarted-empty",
    inject: ({ world, controlPlane }) => {
      const ms = world.chance.between(200, 9_000);
      controlPlane.flush();
      controlPlane.redisUp = false;
      world.at(ms, null, () => {
        controlPlane.redisUp = true;
      });
      return ms;
    },
  },
  {
    name: "redis-cut-off",
    inject: (rig) =>
      withRouter(rig, ({ process }) => {
        const ms = rig.world.chance.between(200, 9_000);
        rig.controlPlane.cutOff.add(process);
        rig.world.at(ms, null, () => rig.controlPlane.cutOff.delete(process));
        return ms;
      }),
  },
  {
    name: "manager-killed",
    inject: ({ world, controlPlane }) => {
      const ms = world.chance.between(200, 9_000);
      controlPlane.managerUp = false;
      world.at(ms, null, () => {
        controlPlane.managerUp = true;
      });
      return ms;
    },
  },
];

function withRouter(rig: Rig, act: (router: SimulatedRouter) => number): number {
  const running = rig.running();
  return running.length === 0 ? 0 : act(rig.world.chance.oneOf(running));
}

function freeze(rig: Rig, suspended: boolean): number {
  return withRouter(rig, ({ process }) => {
    const ms = rig.world.chance.between(200, rig.world.chance.oneOf([2_000, 30_000]));
    if (process.frozen) return 0;
    rig.history.disturbed(ms + ECHO_MS, suspended ? "machine-suspended" : "router-frozen");
    if (suspended) rig.suspendedMsMax = Math.max(rig.suspendedMsMax, ms);
    rig.world.freeze(process, ms, suspended);
    return ms;
  });
}
