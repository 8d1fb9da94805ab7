import type { TopicDeletions } from "../domain/ports.ts";
import { pluginKey } from "../domain/routing-entries.ts";
import type { Database } from "./prisma-database.ts";

/** Kafka is given this long to delete a plugin's topics, milliseconds; the row is locked meanwhile. */
const DELETION_MS_MAX = 30_000;
/** While the change has not reached Redis: longer than the readers' staleness bound of 5 s, milliseconds. */
const WAIT_AGAIN_MS = 6_000;

/** Topics that are to go, in Postgres, so that a restart does not forget them. */
export class PrismaTopicDeletions implements TopicDeletions {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The plugin's row is read under a lock: a registration meanwhile either is seen here, or cancels this afterwards. */
  async schedule(plugin: string, dueAt: Date): Promise<void> {
    await this.#database.$executeRaw`
      INSERT INTO topic_deletions (plugin_id, due_at)
      SELECT id, ${dueAt}::timestamptz FROM plugins WHERE id = ${plugin} AND status = 'deregistered' FOR SHARE
      ON CONFLICT (plugin_id) DO UPDATE SET due_at = excluded.due_at`;
  }

  /** Waits for a deletion that is under way, so that topics created afterwards stay. */
  async cancel(plugin: string): Promise<void> {
    await this.#database.topicDeletion.deleteMany({ where: { pluginId: plugin } });
  }

  /**
   * Only for a plugin that is still deregistered, and whose leaving the table has reached Redis the staleness bound ago:
   * one that has not is looked at again later.
   */
  async next(remove: (plugin: string) => Promise<void>): Promise<boolean> {
    return await this.#database.$transaction(
      async (transaction) => {
        const rows = await transaction.$queryRaw<{ plugin_id: string }[]>`
          SELECT plugin_id FROM topic_deletions WHERE due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED`;
        const plugin = rows[0]?.plugin_id;
        if (plugin === undefined) return false;
        const waiting = await transaction.routingOutbox.count({ where: { key: pluginKey(plugin) } });
        if (waiting > 0) {
          const dueAt = new Date(Date.now() + WAIT_AGAIN_MS);
          await transaction.topicDeletion.update({ where: { pluginId: plugin }, data: { dueAt } });
          return false;
        }
        const deregistered = await transaction.plugin.count({ where: { id: plugin, status: "deregistered" } });
        if (deregistered > 0) await remove(plugin);
        await transaction.topicDeletion.delete({ where: { pluginId: plugin } });
        return true;
      },
      { timeout: DELETION_MS_MAX },
    );
  }
}
