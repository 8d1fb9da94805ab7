import type { JsonObject } from "../domain/records.ts";
import { sameJson } from "../domain/registration.ts";
import type { ResealQueue, ResealTask } from "../domain/work-queues.ts";
import { Prisma } from "../generated/prisma/client.ts";
import { claimDue } from "./due-team-plugins.ts";
import type { Database } from "./prisma-database.ts";
import { changeTeamPlugin } from "./prisma-team-store.ts";
import { pluginRecord } from "./row-mapping.ts";

/** Teams' secrets that are to be sealed anew, in Postgres: rows whose `reseal_at` has come. */
export class PrismaResealQueue implements ResealQueue {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Settings that the plugin has not answered for wait: what it stores when it takes them would be sealed to the earlier key
   * again.
   */
  async claim(limit: number, leaseMs: number): Promise<ResealTask[]> {
    const where = Prisma.sql`AND NOT EXISTS (SELECT 1 FROM initialize_outbox AS unanswered
      WHERE unanswered.team_id = waiting.team_id AND unanswered.plugin_id = waiting.plugin_id)`;
    const rows = await claimDue(this.#database, { column: "reseal_at", where }, limit, leaseMs);
    return rows.map((row) => ({
      team: row.teamId,
      plugin: pluginRecord(row.plugin),
      version: row.settingsVersion,
      settings: (row.settings ?? {}) as JsonObject,
    }));
  }

  async settle(
    { team, plugin, version, settings }: ResealTask,
    resealed: JsonObject,
    againInMs: number | null,
  ): Promise<void> {
    await this.#database.$transaction(async (transaction) => {
      let done = false;
      await changeTeamPlugin(transaction, team, plugin.id, ({ plugin: current, row }) => {
        done =
          row?.settingsVersion === version &&
          sameJson(row.settings, settings) &&
          sameJson(current.publicKey, plugin.publicKey);
        return done && row !== null ? { row: { ...row, settings: resealed }, initialize: false } : null;
      });
      // What changed meanwhile is looked at anew at once.
      const dueInMs = done ? againInMs : 0;
      const resealAt = dueInMs === null ? null : new Date(Date.now() + dueInMs);
      await transaction.teamPlugin.updateMany({ where: { teamId: team, pluginId: plugin.id }, data: { resealAt } });
    });
  }

  async putOff({ team, plugin }: ResealTask, delayMs: number): Promise<void> {
    await this.#database.teamPlugin.updateMany({
      where: { teamId: team, pluginId: plugin.id, resealAt: { not: null } },
      data: { resealAt: new Date(Date.now() + delayMs) },
    });
  }
}
