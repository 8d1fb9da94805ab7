import type { PageRequest, PluginDraft, PluginStore } from "../domain/ports.ts";
import type { PluginRecord } from "../domain/records.ts";
import { buildPluginEntry, pluginKey } from "../domain/routing-entries.ts";
import { Prisma } from "../generated/prisma/client.ts";
import { writeEntry } from "./entry-versions.ts";
import { type Database, nullableJson, type Transaction } from "./prisma-database.ts";
import { pluginRecord } from "./row-mapping.ts";
import { settingsUnderLock } from "./settings-under-lock.ts";

/** Longest a change of a plugin may take, milliseconds: a new schema is held against the settings of every team, measured at 4,400 a second on a busy machine. */
const CHANGE_MS_MAX = 60_000;

/** Plugins in Postgres. */
export class PrismaPluginStore implements PluginStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async find(id: string): Promise<PluginRecord | null> {
    const row = await this.#database.plugin.findUnique({ where: { id } });
    return row === null ? null : pluginRecord(row);
  }

  async list({ after, limit }: PageRequest, options: { deregistered: boolean }): Promise<PluginRecord[]> {
    const rows = await this.#database.plugin.findMany({
      where: {
        ...(after === null ? {} : { id: { gt: after } }),
        ...(options.deregistered ? {} : { status: { not: "deregistered" } }),
      },
      orderBy: { id: "asc" },
      take: limit,
    });
    return rows.map(pluginRecord);
  }

  async teamsEnabled(ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const groups = await this.#database.teamPlugin.groupBy({
      by: ["pluginId"],
      where: { pluginId: { in: [...ids] }, enabled: true },
      _count: true,
    });
    return new Map(groups.map(({ pluginId, _count }) => [pluginId, _count]));
  }

  async teamsToReseal(ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const groups = await this.#database.teamPlugin.groupBy({
      by: ["pluginId"],
      where: { pluginId: { in: [...ids] }, resealAt: { not: null } },
      _count: true,
    });
    return new Map(groups.map(({ pluginId, _count }) => [pluginId, _count]));
  }

  /** An insert that loses a race with another first registration of the same id is repeated as a change. */
  async change(id: string, decide: Parameters<PluginStore["change"]>[1]): Promise<PluginRecord> {
    try {
      return await this.#changeOnce(id, decide);
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      return await this.#changeOnce(id, decide);
    }
  }

  async #changeOnce(id: string, decide: Parameters<PluginStore["change"]>[1]): Promise<PluginRecord> {
    const change = async (transaction: Transaction) => {
      // Whoever changes what a team has for the plugin shares this lock, see changeTeamPlugin.
      await transaction.$queryRaw`SELECT id FROM plugins WHERE id = ${id} FOR UPDATE`;
      const current = await transaction.plugin.findUnique({ where: { id } });
      const draft = await decide(current === null ? null : pluginRecord(current), settingsUnderLock(transaction, id));
      const columns = columnsOf(draft);
      const row = await (current === null
        ? transaction.plugin.create({ data: { id, ...columns } })
        : transaction.plugin.update({ where: { id }, data: columns }));
      const record = pluginRecord(row);
      await writeEntry(transaction, pluginKey(id), buildPluginEntry(record));
      return record;
    };
    return await this.#database.$transaction(change, { timeout: CHANGE_MS_MAX });
  }

  async teamsInState(id: string, state: "missing" | "not-required", limit: number): Promise<string[]> {
    const rows = await this.#database.teamPlugin.findMany({
      where: { pluginId: id, settingsState: state },
      orderBy: { teamId: "asc" },
      take: limit,
      select: { teamId: true },
    });
    return rows.map(({ teamId }) => teamId);
  }
}

function columnsOf({ id: _, ...draft }: PluginDraft) {
  return {
    ...draft,
    events: [...draft.events],
    priorityEvents: [...draft.priorityEvents],
    settingsSchema: draft.settingsSchema as Prisma.InputJsonObject,
    actions: draft.actions as unknown as Prisma.InputJsonValue,
    publicKey: nullableJson(draft.publicKey),
    pendingApproval: nullableJson(draft.pendingApproval),
    updatedAt: new Date(),
  };
}

function isUniqueViolation(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === "P2002";
}
