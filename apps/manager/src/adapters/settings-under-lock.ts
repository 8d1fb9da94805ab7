import { SEALED_FIELD } from "@plugboard/contract";
import type { SettingsUnderLock, StoredSettings } from "../domain/ports.ts";
import type { JsonObject } from "../domain/records.ts";
import { Prisma } from "../generated/prisma/client.ts";
import { CHANNEL } from "./notifications.ts";
import type { Transaction } from "./prisma-database.ts";

/** Teams read at once; at settings of 10 KB, 5 MB. */
const PAGE_TEAMS = 500;

/**
 * Teams' settings for a plugin whose row this transaction has locked. Nobody else can change them then, so neither teams' rows
 * nor their routing entries need locks of their own: that settings are sent again changes no route.
 */
export function settingsUnderLock(transaction: Transaction, plugin: string): SettingsUnderLock {
  return {
    async *pages() {
      let after = "";
      for (;;) {
        const rows = await transaction.teamPlugin.findMany({
          where: {
            pluginId: plugin,
            settingsState: { in: ["pending", "applied"] },
            settings: { not: Prisma.DbNull },
            teamId: { gt: after },
          },
          orderBy: { teamId: "asc" },
          take: PAGE_TEAMS,
          select: { teamId: true, settings: true },
        });
        const last = rows.at(-1);
        if (last === undefined) return;
        yield rows.map(({ teamId, settings }): StoredSettings => ({ team: teamId, settings: settings as JsonObject }));
        after = last.teamId;
      }
    },
    async resealAll() {
      const sealed = `%"${SEALED_FIELD}"%`;
      await transaction.$executeRaw`
        UPDATE team_plugins SET reseal_at = now() WHERE plugin_id = ${plugin} AND settings::text LIKE ${sealed}`;
    },
    async sendAgain(teams) {
      const ids = [...teams];
      await transaction.$executeRaw`
        UPDATE team_plugins SET settings_state = 'pending', settings_version = settings_version + 1, reasons = '[]', updated_at = now()
        WHERE plugin_id = ${plugin} AND team_id = ANY(${ids})`;
      await transaction.$executeRaw`
        INSERT INTO initialize_outbox (team_id, plugin_id, version)
        SELECT team_id, plugin_id, settings_version FROM team_plugins
        WHERE plugin_id = ${plugin} AND team_id = ANY(${ids}) ORDER BY team_id
        ON CONFLICT (team_id, plugin_id) DO UPDATE
        SET version = excluded.version, attempts = 0, next_attempt_at = now(), last_error = NULL, created_at = now()`;
      await transaction.$executeRaw`SELECT pg_notify(${CHANNEL.initialize}, '')`;
    },
  };
}
