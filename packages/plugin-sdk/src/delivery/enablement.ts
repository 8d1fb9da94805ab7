import type { ResolvedTeam, RoutingTable } from "@plugboard/routing-table";
import type { Clock } from "@plugboard/runtime";

/** What the routing table says about a delivery at this moment. */
export type Enablement =
  | { readonly kind: "enabled" }
  /** The team does not list the plugin (any more). */
  | { readonly kind: "disabled" }
  /** Listed, but its settings are not in force. */
  | { readonly kind: "not-ready" }
  /** This process's table is older than the one that routed the delivery, so it cannot tell. */
  | { readonly kind: "table-behind" };

export interface EnablementParts {
  readonly plugin: string;
  readonly table: Pick<RoutingTable, "resolve" | "known">;
  readonly clock: Clock;
}

/** How often a plugin in maintenance asks whether it is over. */
const MAINTENANCE_POLL_MS = 1_000;
/**
 * How long after routing a table that looks older is waited for. A table restored from a backup may count from lower
 * versions for ever; far beyond the staleness bound (5 s) the table at hand is the truth.
 */
const TABLE_WAIT_MS_MAX = 60_000;

interface Asked {
  readonly team: string;
  readonly routeVersion: string | null;
  readonly routedAt: string | null;
}

/** As {@link checkEnablement}, from memory; null where somebody has to be asked, or waited for. */
export function knownEnablement(parts: EnablementParts, delivery: Asked): Enablement | null {
  const resolved = parts.table.known(delivery.team);
  return resolved === undefined ? null : judge(parts, delivery, resolved);
}

/**
 * Asks the table whether a delivery is still wanted. While the plugin itself is in maintenance or deregistered it waits,
 * so that the topic keeps what comes.
 * @throws the signal's reason.
 */
export async function checkEnablement(
  parts: EnablementParts,
  delivery: Asked,
  signal: AbortSignal,
): Promise<Enablement> {
  const { table, clock } = parts;
  for (;;) {
    signal.throwIfAborted();
    const resolved = (await table.resolve([delivery.team], signal)).get(delivery.team) ?? null;
    const judged = judge(parts, delivery, resolved);
    if (judged !== null) return judged;
    await clock.sleep(MAINTENANCE_POLL_MS, signal);
  }
}

/** Null while the plugin is in maintenance or deregistered. */
function judge({ plugin, clock }: EnablementParts, delivery: Asked, resolved: ResolvedTeam | null): Enablement | null {
  if (isBehind(resolved?.team.v ?? -1, delivery, clock)) return { kind: "table-behind" };
  const route = resolved?.team.plugins.find(({ id }) => id === plugin);
  if (route === undefined) return { kind: "disabled" };
  const state = resolved?.plugins.get(plugin)?.state ?? "enabled";
  if (state !== "enabled") return null;
  return route.ready ? { kind: "enabled" } : { kind: "not-ready" };
}

function isBehind(version: number, { routeVersion, routedAt }: Asked, clock: Clock): boolean {
  const routedBy = Number.parseInt(routeVersion ?? "", 10);
  return version < routedBy && clock.now() - Date.parse(routedAt ?? "") < TABLE_WAIT_MS_MAX;
}
