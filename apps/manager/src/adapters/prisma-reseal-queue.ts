import type { ResealQueue, ResealTask } from "../domain/ports.ts";
import type { JsonObject } from "../domain/records.ts";
import { sameJson } from "../domain/registration.ts";
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
   * A claim is a due time in the future, so a claimer that dies gives its tasks back by itself. Settings that the plugin has not
   * answered for wait: what it stores when it takes them would be sealed to the earlier key again.
   */
  async claim(limit: number, leaseMs: number): Promise<ResealTask[]> {
    return await this.#database.$transaction(async (transaction) => {
      const claimed = await transaction.$queryRaw<{ team_id: string; plugin_id: string }[]>`
        UPDATE team_plugins AS row SET reseal_at = now() + ${leaseMs} * interval '1 millisecond'
        FROM (
          SELECT team_id, plugin_id FROM team_plugins AS waiting
          WHERE reseal_at <= now()
            AND plugin_id IN (SELECT id FROM plugins WHERE status <> 'deregistered')
            AND NOT EXISTS (SELECT 1 FROM initialize_outbox AS unanswered
              WHERE unanswered.team_id = waiting.team_id AND unanswered.plugin_id = waiting.plugin_id)
          ORDER BY reseal_at LIMIT ${limit} FOR UPDATE SKIP LOCKED
        ) AS due
        WHERE row.team_id = due.team_id AND row.plugin_id = due.plugin_id
        RETURNING row.team_id, row.plugin_id`;
      if (claimed.length === 0) return [];
      const rows = await transaction.teamPlugin.findMany({
        where: { OR: claimed.map(({ team_id, plugin_id }) => ({ teamId: team_id, pluginId: plugin_id })) },
        include: { plugin: true },
      });
      return rows.map((row) => ({
        team: row.teamId,
        plugin: pluginRecord(row.plugin),
        version: row.settingsVersion,
        settings: (row.settings ?? {}) as JsonObject,
      }));
    });
  }

  async settle({ team, plugin, version, settings }: ResealTask, resealed: JsonObject): Promise<void> {
    await this.#database.$transaction(async (transaction) => {
      let done = false;
      await changeTeamPlugin(transaction, team, plugin.id, ({ plugin: current, row }) => {
        done =
          row?.settingsVersion === version &&
          sameJson(row.settings, settings) &&
          sameJson(current.publicKey, plugin.publicKey);
        return done && row !== null ? { row: { ...row, settings: resealed }, initialize: false } : null;
      });
      const resealAt = done ? null : new Date();
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
