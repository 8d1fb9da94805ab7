import type { TellQueue, TellTask } from "../domain/work-queues.ts";
import { Prisma } from "../generated/prisma/client.ts";
import { claimDue } from "./due-team-plugins.ts";
import type { Database } from "./prisma-database.ts";
import { pluginRecord } from "./row-mapping.ts";

/** What plugins have still to be told of who has them enabled, in Postgres: rows whose `tell_at` has come. */
export class PrismaTellQueue implements TellQueue {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async claim(limit: number, leaseMs: number): Promise<TellTask[]> {
    const set = Prisma.sql`, tell_attempts = tell_attempts + 1`;
    const where = Prisma.sql`AND plugin_id IN (SELECT id FROM plugins WHERE told_enablements)`;
    const rows = await claimDue(this.#database, { column: "tell_at", set, where }, limit, leaseMs);
    return rows.map((row) => ({
      team: row.teamId,
      plugin: pluginRecord(row.plugin),
      version: row.enabledVersion,
      enabled: row.enabled,
      attempt: row.tellAttempts,
    }));
  }

  async settle(task: TellTask): Promise<void> {
    await this.#set(task, { tellAt: null });
  }

  async putOff(task: TellTask, delayMs: number): Promise<void> {
    await this.#set(task, { tellAt: new Date(Date.now() + delayMs) });
  }

  async overtake(task: TellTask, version: number): Promise<void> {
    await this.#set(task, { enabledVersion: version + 1, tellAt: new Date() });
  }

  /** Only the change that was told: one that came since is due as it says itself. */
  async #set(
    { team, plugin, version }: TellTask,
    data: { readonly tellAt: Date | null; readonly enabledVersion?: number },
  ): Promise<void> {
    const where = { teamId: team, pluginId: plugin.id, enabledVersion: version };
    await this.#database.teamPlugin.updateMany({ where, data });
  }
}
