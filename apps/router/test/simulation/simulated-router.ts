import { LayeredRoutingTable, type RoutingTable } from "@plugboard/routing-table";
import { createRegistry, Lifecycle, type Logger } from "@plugboard/runtime";
import { composeRouting } from "../../src/compose.ts";
import { loadRouterSettings } from "../../src/settings.ts";
import type { ControlPlane } from "./control-plane.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import type { World } from "./world.ts";

/** At least once routers have nothing to wait for meanwhile. */
const PARK_AFTER_MS = 3_000;
/** Small, so that routers reach it. */
export const IN_FLIGHT_BYTES = 16_000;
const POLL_MS = 100;
export const STALE_AFTER_MS = 5_000;

/** A line that a router logged. */
export interface LogLine {
  readonly at: number;
  readonly process: SimulatedProcess;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly detail: object;
}

export interface RouterSurroundings {
  readonly world: World;
  readonly delivery: "at-least-once" | "exactly-once";
  /** Of a static member of the group, and of its transactions. */
  readonly instanceId: string | undefined;
  readonly brokers: string;
  readonly controlPlane: ControlPlane;
  readonly onLine: (line: LogLine) => void;
  /** Every answer that the routing table gives. */
  readonly onResolved: (
    process: SimulatedProcess,
    teams: readonly string[],
    answer: Awaited<ReturnType<RoutingTable["resolve"]>>,
  ) => void;
}

/** A gauge as its client keeps it; reading it in the usual way takes a promise. */
interface Samples {
  readonly hashMap: Record<string, { readonly value: number } | undefined>;
}

/** A router as shipped, from its wiring down to the Kafka client, as a process of a simulated world. */
export class SimulatedRouter {
  readonly process: SimulatedProcess;
  readonly #surroundings: RouterSurroundings;
  #lifecycle: Lifecycle | undefined;
  #inFlight: Samples | undefined;
  table: LayeredRoutingTable | undefined;

  constructor(name: string, surroundings: RouterSurroundings) {
    this.process = new SimulatedProcess(name);
    this.#surroundings = surroundings;
  }

  start(afterMs: number): void {
    this.#surroundings.world.at(afterMs, this.process, () => this.#start());
  }

  /** The place in the group that it takes, and its successor after it. */
  get instanceId(): string | undefined {
    return this.#surroundings.instanceId;
  }

  /** As by SIGTERM. */
  stop(): void {
    const { world } = this.#surroundings;
    world.at(0, this.process, () => {
      if (this.#lifecycle === undefined) return world.kill(this.process);
      void this.#lifecycle.stop().then(() => world.kill(this.process));
    });
  }

  kill(): void {
    this.#surroundings.world.kill(this.process);
  }

  /** Bytes read and not settled, as the metric says. */
  get inFlightBytes(): number {
    return this.#inFlight?.hashMap[""]?.value ?? 0;
  }

  #start(): void {
    const { world, brokers, controlPlane, delivery, instanceId } = this.#surroundings;
    const logger = this.#logger();
    const clock = world.clockOf(this.process);
    const registry = createRegistry({ defaultMetrics: false });
    this.table = new LayeredRoutingTable({
      cache: controlPlane.cacheFor(this.process),
      fetchRoutes: controlPlane.fetchRoutesFor(this.process),
      clock,
      logger,
      observer: UNOBSERVED,
      teamsMax: world.chance.oneOf([2, 100]),
      pollMs: POLL_MS,
      staleAfterMs: STALE_AFTER_MS,
      random: world.chance.float,
    });
    const settings = loadRouterSettings({
      ...ENVIRONMENT,
      KAFKA_BROKERS: brokers,
      ROUTER_DELIVERY: delivery,
      ...(instanceId !== undefined && { ROUTER_INSTANCE_ID: instanceId }),
    });
    // As shipped, in half of the exactly-once schedules.
    const parkAfterMs = delivery === "exactly-once" && world.chance.is(0.5) ? undefined : PARK_AFTER_MS;
    const router = composeRouting(
      { ...settings, ROUTER_IN_FLIGHT_BYTES: IN_FLIGHT_BYTES, ROUTER_PARK_AFTER_MS: parkAfterMs },
      { logger, clock, registry, table: this.#watched(this.table) },
    );
    this.#inFlight = registry.getSingleMetric("router_in_flight_bytes") as unknown as Samples;
    this.#lifecycle = new Lifecycle(router.components, { logger });
    void this.#lifecycle.start();
  }

  #watched(table: RoutingTable): RoutingTable {
    const { onResolved } = this.#surroundings;
    return {
      start: (signal) => table.start(signal),
      stop: () => table.stop(),
      stalenessSeconds: () => table.stalenessSeconds(),
      position: () => table.position(),
      known: (team) => table.known(team),
      resolve: async (teams, signal) => {
        const answer = await table.resolve(teams, signal);
        onResolved(this.process, teams, answer);
        return answer;
      },
    };
  }

  #logger(): Logger {
    const { world, onLine } = this.#surroundings;
    const at = (level: LogLine["level"]) => (detail: object, message: string) =>
      onLine({ at: world.now, process: this.process, level, message, detail });
    const levels = { debug: () => {}, info: at("info"), warn: at("warn"), error: at("error") };
    return { ...levels, isLevelEnabled: () => false } as unknown as Logger;
  }
}

const ENVIRONMENT = { REDIS_URL: "redis://simulated", MANAGER_TOKEN: "simulated" };
const UNOBSERVED = { lookedUp() {}, polled() {}, askedOrigin() {}, reset() {}, malformed() {} };
