import type { PluginEntry, TeamEntry } from "@plugboard/contract";
import { nextVersion, type RoutingKey } from "../domain/routing-entries.ts";
import type { Prisma } from "../generated/prisma/client.ts";
import { CHANNEL } from "./notifications.ts";
import type { Transaction } from "./prisma-database.ts";

/**
 * Writes an entry's next version, its history and its outbox row, if it differs from the one before. Runs in the
 * transaction of the change, whose row lock (the team's or the plugin's) keeps versions of one key in commit order.
 */
export async function writeEntry(
  transaction: Transaction,
  key: RoutingKey,
  content: Omit<PluginEntry, "v"> | Omit<TeamEntry, "v">,
): Promise<void> {
  const before = await transaction.routingEntry.findUnique({ where: { key } });
  const after = nextVersion(before === null ? null : { v: before.v, entry: before.entry as object }, content);
  if (after === null) return;
  const entry = after as unknown as Prisma.InputJsonValue;
  const now = new Date();
  const row = { key, v: after.v, entry };
  await transaction.routingEntry.upsert({
    where: { key },
    create: { ...row, updatedAt: now },
    update: { v: after.v, entry, updatedAt: now },
  });
  if (before !== null)
    await transaction.routingHistory.updateMany({ where: { key, v: before.v }, data: { supersededAt: now } });
  await transaction.routingHistory.create({ data: { ...row, createdAt: now } });
  await transaction.routingOutbox.create({ data: row });
  await transaction.$executeRaw`SELECT pg_notify(${CHANNEL.routing}, '')`;
}
