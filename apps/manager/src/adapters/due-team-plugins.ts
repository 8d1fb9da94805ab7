import { type Plugin, Prisma, type TeamPlugin } from "../generated/prisma/client.ts";
import type { Database, Transaction } from "./prisma-database.ts";

/** Work on a team's row that is due when the time in its column has come. */
export interface DueWork {
  readonly column: "reseal_at" | "tell_at";
  /** Which of the rows may be taken, beside its being due; `waiting` is the row. */
  readonly where?: Prisma.Sql;
  /** What taking one changes. */
  readonly set?: Prisma.Sql;
}

/**
 * Takes rows that are due, those of deregistered plugins left out. A claim is a due time in the future, so a claimer that dies
 * gives them back by itself.
 */
export async function claimDue(
  database: Database,
  { column, where = Prisma.empty, set = Prisma.empty }: DueWork,
  limit: number,
  leaseMs: number,
): Promise<(TeamPlugin & { plugin: Plugin })[]> {
  const due = Prisma.raw(column);
  return await database.$transaction(async (transaction: Transaction) => {
    const claimed = await transaction.$queryRaw<{ team_id: string; plugin_id: string }[]>`
      UPDATE team_plugins AS row SET ${due} = now() + ${leaseMs} * interval '1 millisecond' ${set}
      FROM (
        SELECT team_id, plugin_id FROM team_plugins AS waiting
        WHERE ${due} <= now() AND plugin_id IN (SELECT id FROM plugins WHERE status <> 'deregistered') ${where}
        ORDER BY ${due} LIMIT ${limit} FOR UPDATE SKIP LOCKED
      ) AS due
      WHERE row.team_id = due.team_id AND row.plugin_id = due.plugin_id
      RETURNING row.team_id, row.plugin_id`;
    if (claimed.length === 0) return [];
    return await transaction.teamPlugin.findMany({
      where: { OR: claimed.map(({ team_id, plugin_id }) => ({ teamId: team_id, pluginId: plugin_id })) },
      include: { plugin: true },
    });
  });
}
