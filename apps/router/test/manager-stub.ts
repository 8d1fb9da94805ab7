import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type PluginEntry,
  type RoutesResponse,
  routesRequestSchema,
  routingKeys,
  type TeamEntry,
} from "@plugboard/contract";
import { Redis } from "ioredis";

/** The part of the manager that a router asks, with a table of its own, and the table's publisher. */
export class ManagerStub {
  readonly teams = new Map<string, TeamEntry>();
  readonly plugins = new Map<string, PluginEntry>();
  calls = 0;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        this.calls += 1;
        const asked = routesRequestSchema.parse(JSON.parse(Buffer.concat(chunks).toString()));
        const answer: RoutesResponse = {
          teams: Object.fromEntries(asked.teams.map((id) => [id, this.teams.get(id) ?? null])),
          plugins: Object.fromEntries(asked.plugins.map((id) => [id, this.plugins.get(id) ?? null])),
        };
        response.setHeader("content-type", "application/json").end(JSON.stringify(answer));
      });
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  enable(team: string, plugins: readonly string[]): void {
    for (const id of plugins)
      this.plugins.set(id, { v: 1, events: ["onResponse"], priorityEvents: [], sync: null, state: "enabled" });
    this.teams.set(team, {
      v: 1,
      plugins: plugins.map((id) => ({
        id,
        ready: true,
        forms: null,
        filter: null,
        mode: "async",
        onFailure: "open",
        quota: null,
      })),
    });
  }

  /** Writes the whole table, as after a rebuild. */
  async publish(redisUrl: string, namespace: string): Promise<void> {
    const redis = new Redis(redisUrl);
    try {
      const keys = routingKeys(namespace);
      for (const [id, entry] of this.teams) await redis.set(keys.team(id), JSON.stringify(entry));
      for (const [id, entry] of this.plugins) await redis.set(keys.plugin(id), JSON.stringify(entry));
      await redis.set(keys.seq, "0");
      await redis.set(keys.epoch, `epoch-${Date.now()}`);
    } finally {
      redis.disconnect();
    }
  }

  async flush(redisUrl: string): Promise<void> {
    const redis = new Redis(redisUrl);
    await redis.flushall();
    redis.disconnect();
  }
}
