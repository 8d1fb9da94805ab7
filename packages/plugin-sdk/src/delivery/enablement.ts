import type { RoutingTable } from "@plugboard/routing-table";
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
  readonly table: Pick<RoutingTable, "resolve">;
  readonly clock: Clock;
}

/** How often a plugin in maintenance asks whether it is over. */
const MAINTENANCE_POLL_MS = 1_000;
/**
 * How long after routing a table that looks older is waited for. A table restored from a backup may count from lower
 * versions for ever; far beyond the staleness bound (5 s) the table at hand is the truth.
 */
const TABLE_WAIT_MS_MAX = 60_000;

/**
 * Asks the table whether a delivery is still wanted. While the plugin itself is in maintenance or deregistered it waits,
 * so that the topic keeps what comes.
 * @throws the signal's reason.
 */
export async function checkEnablement(
  { plugin, table, clock }: EnablementParts,
  delivery: { readonly team: string; readonly routeVersion: string | null; readonly routedAt: string | null },
  signal: AbortSignal,
): Promise<Enablement> {
  for (;;) {
    signal.throwIfAborted();
    const resolved = (await table.resolve([delivery.team], signal)).get(delivery.team) ?? null;
    if (isBehind(resolved?.team.v ?? -1, delivery, clock.now())) return { kind: "table-behind" };
    const route = resolved?.team.plugins.find(({ id }) => id === plugin);
    if (route === undefined) return { kind: "disabled" };
    const state = resolved?.plugins.get(plugin)?.state ?? "enabled";
    if (state === "enabled") return route.ready ? { kind: "enabled" } : { kind: "not-ready" };
    await clock.sleep(MAINTENANCE_POLL_MS, signal);
  }
}

function isBehind(
  version: number,
  { routeVersion, routedAt }: { readonly routeVersion: string | null; readonly routedAt: string | null },
  now: number,
): boolean {
  const routedBy = Number(routeVersion?.split(".")[0] ?? Number.NaN);
  const routedAtMs = Date.parse(routedAt ?? "");
  return version < routedBy && now - routedAtMs < TABLE_WAIT_MS_MAX;
}
