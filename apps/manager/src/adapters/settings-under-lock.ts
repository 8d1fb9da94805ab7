import { SEALED_FIELD } from "@plugboard/contract";
import type { SettingsUnderLock, StoredSettings } from "../domain/ports.ts";
import { Prisma } from "../generated/prisma/client.ts";
import { CHANNEL } from "./notifications.ts";
import type { Transaction } from "./prisma-database.ts";

/** Teams read at once; at settings of 10 KB, 5 MB. A FETCH takes no parameters. */
const PAGE = Prisma.raw("500");

/**
 * Teams' settings for a plugin whose row this transaction has locked. Nobody else can change them then, so neither teams' rows
 * nor their routing entries need locks of their own: that settings are sent again changes no route.
 */
export function settingsUnderLock(transaction: Transaction, plugin: string): SettingsUnderLock {
  return {
    async *pages() {
      // One pass of a cursor: page by page, each page might be sorted out of all teams anew.
      await transaction.$executeRaw`
        DECLARE stored_settings NO SCROLL CURSOR FOR SELECT team_id AS team, settings FROM team_plugins
        WHERE plugin_id = ${plugin} AND settings_state IN ('pending', 'applied') AND settings IS NOT NULL ORDER BY team_id`;
      for (;;) {
        const page = await transaction.$queryRaw<StoredSettings[]>`FETCH ${PAGE} FROM stored_settings`;
        if (page.length === 0) break;
        yield page;
      }
      await transaction.$executeRaw`CLOSE stored_settings`;
    },
    async tellEnabled() {
      // Of teams that were told before, it is told as well who has left since. A change that waits to be told is due already.
      await transaction.$executeRaw`
        UPDATE team_plugins
        SET tell_at = now(), tell_attempts = least(tell_attempts, 1), enabled_version = greatest(enabled_version, 1)
        WHERE plugin_id = ${plugin} AND (enabled OR tell_attempts > 0) AND tell_at IS NULL`;
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
