import type { Quota } from "@plugboard/contract";
import type { PageRequest, TeamPluginDecision, TeamPluginPair, TeamPluginSight, TeamStore } from "../domain/ports.ts";
import type { TeamPluginRecord } from "../domain/records.ts";
import { buildTeamEntry, teamKey } from "../domain/routing-entries.ts";
import { Prisma, type Team } from "../generated/prisma/client.ts";
import { writeEntry } from "./entry-versions.ts";
import { CHANNEL } from "./notifications.ts";
import type { Database, Transaction } from "./prisma-database.ts";
import { pluginRecord, quotaOf, teamPluginColumns, teamPluginRecord } from "./row-mapping.ts";

/** What teams decided, in Postgres. */
export class PrismaTeamStore implements TeamStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async find(team: string, plugin: string): Promise<TeamPluginPair | null> {
    const row = await this.#database.plugin.findUnique({
      where: { id: plugin },
      include: { teams: { where: { teamId: team } } },
    });
    if (row === null) return null;
    const { teams, ...rest } = row;
    return { plugin: pluginRecord(rest), row: teams[0] === undefined ? null : teamPluginRecord(teams[0]) };
  }

  async list(team: string, { after, limit }: PageRequest): Promise<TeamPluginPair[]> {
    const rows = await this.#database.plugin.findMany({
      where: { status: { not: "deregistered" }, ...(after === null ? {} : { id: { gt: after } }) },
      orderBy: { id: "asc" },
      take: limit,
      include: { teams: { where: { teamId: team } } },
    });
    return rows.map(({ teams, ...rest }) => ({
      plugin: pluginRecord(rest),
      row: teams[0] === undefined ? null : teamPluginRecord(teams[0]),
    }));
  }

  async change(
    team: string,
    plugin: string,
    decide: (sight: TeamPluginSight) => TeamPluginDecision | null,
  ): Promise<TeamPluginPair | null> {
    return await this.#database.$transaction((transaction) => changeTeamPlugin(transaction, team, plugin, decide));
  }

  async setQuota(team: string, quota: Quota | null): Promise<void> {
    await this.#database.$transaction(async (transaction) => {
      // Lifting the limit of a team that nothing is known of would only leave an empty row of it.
      if (quota === null && (await transaction.team.count({ where: { id: team } })) === 0) return;
      await lockTeam(transaction, team);
      const updated = await transaction.team.update({
        where: { id: team },
        data: { quotaEventsPerSecond: quota?.eventsPerSecond ?? null, quotaBurst: quota?.burst ?? null },
      });
      await writeTeamEntry(transaction, updated);
    });
  }

  async settingsOf(plugin: string, { after, limit }: PageRequest): Promise<TeamPluginRecord[]> {
    const rows = await this.#database.teamPlugin.findMany({
      where: {
        pluginId: plugin,
        settings: { not: Prisma.DbNull },
        ...(after === null ? {} : { teamId: { gt: after } }),
      },
      orderBy: { teamId: "asc" },
      take: limit,
    });
    return rows.map(teamPluginRecord);
  }
}

/**
 * Changes a team's row for a plugin and, if that alters it, the team's routing entry. The team's row is locked first, so
 * changes of one team run one after another; the plugin's row is shared, so its schema cannot change meanwhile.
 */
export async function changeTeamPlugin(
  transaction: Transaction,
  team: string,
  plugin: string,
  decide: (sight: TeamPluginSight) => TeamPluginDecision | null,
): Promise<TeamPluginPair | null> {
  // Asked first, for locking a team that nothing is known of leaves a row of it. Plugins never go away again.
  if ((await transaction.plugin.count({ where: { id: plugin } })) === 0) return null;
  const teamRow = await lockTeam(transaction, team);
  await transaction.$queryRaw`SELECT id FROM plugins WHERE id = ${plugin} FOR SHARE`;
  const pluginRow = await transaction.plugin.findUnique({ where: { id: plugin } });
  if (pluginRow === null) return null;
  const key = { teamId: team, pluginId: plugin };
  const existing = await transaction.teamPlugin.findUnique({ where: { teamId_pluginId: key } });
  const enabledCount = await transaction.teamPlugin.count({ where: { teamId: team, enabled: true } });
  const before = existing === null ? null : teamPluginRecord(existing);
  const record = pluginRecord(pluginRow);
  const decision = decide({ plugin: record, row: before, enabledCount });
  if (decision === null) return { plugin: record, row: before };
  const changed = decision.row.enabledVersion !== (before?.enabledVersion ?? 0);
  const tell = changed && record.toldEnablements ? { tellAt: new Date(), tellAttempts: 0 } : {};
  const columns = { ...teamPluginColumns(decision.row), ...tell };
  const row = await transaction.teamPlugin.upsert({
    where: { teamId_pluginId: key },
    create: { ...key, ...columns },
    update: columns,
  });
  await writeTeamEntry(transaction, teamRow);
  if (decision.initialize) await enqueueInitialize(transaction, decision.row);
  return { plugin: record, row: teamPluginRecord(row) };
}

async function lockTeam(transaction: Transaction, team: string): Promise<Team> {
  await transaction.$executeRaw`INSERT INTO teams (id) VALUES (${team}) ON CONFLICT (id) DO NOTHING`;
  await transaction.$queryRaw`SELECT id FROM teams WHERE id = ${team} FOR UPDATE`;
  return await transaction.team.findUniqueOrThrow({ where: { id: team } });
}

async function writeTeamEntry(transaction: Transaction, team: Team): Promise<void> {
  const rows = await transaction.teamPlugin.findMany({ where: { teamId: team.id, enabled: true } });
  const content = buildTeamEntry(rows.map(teamPluginRecord), quotaOf(team));
  // A team that has nothing enabled and was never published needs no entry: unknown and empty route alike.
  if (content.plugins.length === 0) {
    const known = await transaction.routingEntry.count({ where: { key: teamKey(team.id) } });
    if (known === 0) return;
  }
  await writeEntry(transaction, teamKey(team.id), content);
}

async function enqueueInitialize(transaction: Transaction, row: TeamPluginRecord): Promise<void> {
  const now = new Date();
  const fresh = { version: row.settingsVersion, attempts: 0, nextAttemptAt: now, lastError: null, createdAt: now };
  const key = { teamId: row.teamId, pluginId: row.pluginId };
  await transaction.initializeOutbox.upsert({
    where: { teamId_pluginId: key },
    create: { ...key, ...fresh },
    update: fresh,
  });
  await transaction.$executeRaw`SELECT pg_notify(${CHANNEL.initialize}, '')`;
}
