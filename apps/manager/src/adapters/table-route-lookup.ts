import { decideRoute, type RoutingTable } from "@plugboard/routing-table";
import type { Component } from "@plugboard/runtime";
import type { Redis } from "ioredis";
import type { DecideSync, RouteLookup, TeamRoutes } from "../domain/ports.ts";

/** The routing table as every reader has it: L1 here, L2 Redis, L3 this manager's own Postgres. */
export class TableRouteLookup implements RouteLookup, Component {
  readonly name = "routing-table";
  readonly #table: RoutingTable;
  readonly #stopping = new AbortController();

  readonly #redis: Redis;

  /** @param redis the table's own connection, which it closes. */
  constructor(table: RoutingTable, redis: Redis) {
    this.#table = table;
    this.#redis = redis;
  }

  /** Does not wait for the first answer: without Redis the table has L3, and a request waits for itself. */
  async start(): Promise<void> {
    await this.#redis.connect().catch(() => {});
    this.#table.start(this.#stopping.signal).catch(() => {});
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#table.stop();
  }

  async resolve(team: string, signal: AbortSignal): Promise<TeamRoutes | null> {
    return (await this.#table.resolve([team], signal)).get(team) ?? null;
  }
}

/** The routing decision that routers make, for the way inside the submit. */
export const decideSync: DecideSync = ({ route, plugin, event, data }) => {
  const question = { route, event, data: () => data, path: "sync" } as const;
  const decision = decideRoute({ ...question, plugin });
  if (decision.kind === "routed") return { kind: "asked" };
  if (decision.reason === "filter-error") return { kind: "undecidable", error: decision.detail ?? "" };
  if (decision.reason !== "maintenance" || plugin === undefined) return { kind: "excused" };
  // Maintenance is told before the filter is asked; an event that the filter leaves out concerns nobody.
  const otherwise = decideRoute({ ...question, plugin: { ...plugin, state: "enabled" } });
  return { kind: otherwise.kind === "routed" ? "maintenance" : "excused" };
};
