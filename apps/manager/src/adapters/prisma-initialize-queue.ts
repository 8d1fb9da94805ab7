import type { Backlog } from "../domain/ports.ts";
import type { JsonObject } from "../domain/records.ts";
import type { InitializeQueue, InitializeResult, InitializeTask } from "../domain/work-queues.ts";
import type { Database } from "./prisma-database.ts";
import { changeTeamPlugin } from "./prisma-team-store.ts";

/** Characters kept of what went wrong, for operators. */
const ERROR_LENGTH_MAX = 500;

interface ClaimedRow {
  readonly team_id: string;
  readonly plugin_id: string;
  readonly version: number;
  readonly attempts: number;
}

/** Settings on their way to plugins, in Postgres: the latest version of each (team, plugin). */
export class PrismaInitializeQueue implements InitializeQueue {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Claims row by row per plugin: however many of a slow plugin are due, at most `perPlugin` of it are in a batch. A
   * claim is a due time in the future, so a claimer that dies gives its tasks back by itself.
   */
  async claim(
    limits: { total: number; perPlugin: number; without: readonly string[] },
    leaseMs: number,
  ): Promise<InitializeTask[]> {
    const without = [...limits.without];
    return await this.#database.$transaction(async (transaction) => {
      const claimed = await transaction.$queryRaw<ClaimedRow[]>`
        UPDATE initialize_outbox AS task
        SET attempts = task.attempts + 1, next_attempt_at = now() + ${leaseMs} * interval '1 millisecond'
        FROM (
          SELECT due.team_id, due.plugin_id FROM plugins
          CROSS JOIN LATERAL (
            SELECT team_id, plugin_id FROM initialize_outbox
            WHERE plugin_id = plugins.id AND next_attempt_at <= now()
            ORDER BY next_attempt_at LIMIT ${limits.perPlugin} FOR UPDATE SKIP LOCKED
          ) AS due
          WHERE plugins.status <> 'deregistered' AND NOT plugins.id = ANY(${without})
          LIMIT ${limits.total}
        ) AS chosen
        WHERE task.team_id = chosen.team_id AND task.plugin_id = chosen.plugin_id
        RETURNING task.team_id, task.plugin_id, task.version, task.attempts`;
      if (claimed.length === 0) return [];
      const [rows, plugins] = await Promise.all([
        transaction.teamPlugin.findMany({
          where: { OR: claimed.map((task) => ({ teamId: task.team_id, pluginId: task.plugin_id })) },
          select: { teamId: true, pluginId: true, settings: true, settingsVersion: true },
        }),
        transaction.plugin.findMany({
          where: { id: { in: [...new Set(claimed.map((task) => task.plugin_id))] } },
          select: { id: true, url: true, version: true },
        }),
      ]);
      const registered = new Map(plugins.map((plugin) => [plugin.id, plugin]));
      const settings = new Map(rows.map((row) => [`${row.teamId}/${row.pluginId}`, row]));
      return claimed.flatMap((task): InitializeTask[] => {
        const row = settings.get(`${task.team_id}/${task.plugin_id}`);
        const plugin = registered.get(task.plugin_id);
        if (row === undefined || plugin === undefined) return [];
        return [
          {
            team: task.team_id,
            plugin: task.plugin_id,
            url: plugin.url,
            pluginVersion: plugin.version,
            // The row's own version: a PUT may have come between, and settings and version must belong together.
            version: row.settingsVersion,
            settings: (row.settings ?? {}) as JsonObject,
            attempt: task.attempts,
          },
        ];
      });
    });
  }

  async settle(task: InitializeTask, result: InitializeResult): Promise<void> {
    const where = { teamId: task.team, pluginId: task.plugin, version: task.version };
    if (result.kind === "retry") {
      const data = {
        nextAttemptAt: new Date(Date.now() + result.delayMs),
        lastError: result.error.slice(0, ERROR_LENGTH_MAX),
      };
      await this.#database.initializeOutbox.updateMany({ where, data });
      return;
    }
    await this.#database.$transaction(async (transaction) => {
      await changeTeamPlugin(transaction, task.team, task.plugin, ({ row }) =>
        row === null || row.settingsVersion !== task.version
          ? null
          : { row: { ...row, ...result.status }, initialize: false },
      );
      await transaction.initializeOutbox.deleteMany({ where });
    });
  }

  async hurry(plugin: string): Promise<void> {
    await this.#database.$executeRaw`
      UPDATE initialize_outbox AS task SET next_attempt_at = now()
      FROM (
        SELECT team_id FROM initialize_outbox
        WHERE plugin_id = ${plugin} AND next_attempt_at > now() FOR UPDATE SKIP LOCKED
      ) AS waiting
      WHERE task.team_id = waiting.team_id AND task.plugin_id = ${plugin}`;
  }

  async backlog(): Promise<Backlog> {
    const [row] = await this.#database.$queryRaw<{ rows: bigint; age: number | null }[]>`
      SELECT count(*) AS rows, extract(epoch FROM now() - min(created_at))::float8 AS age FROM initialize_outbox`;
    return { rows: Number(row?.rows ?? 0), oldestAgeSeconds: Math.max(0, row?.age ?? 0) };
  }
}
