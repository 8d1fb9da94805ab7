import type { RoutingTable } from "@plugboard/routing-table";
import type { HealthCheck } from "@plugboard/runtime";
import type { Registrar } from "./registration/registrar.ts";
import { type OpenBreaker, WHOLE_PLUGIN } from "./store/breaker-store.ts";
import type { PluginDatabase } from "./store/connect-database.ts";

export interface CheckedParts {
  readonly registrar: Pick<Registrar, "registered" | "problem">;
  readonly kafka: { readonly problem: string | null };
  /** One per lane; none for a plugin without onEvent. */
  readonly consumers: readonly { readonly name: string; readonly problem: string | null }[];
  /** Null for a plugin without onEvent. */
  readonly breakers: { status(): readonly OpenBreaker[] } | null;
  readonly database: Pick<PluginDatabase, "sdk">;
  readonly table: Pick<RoutingTable, "stalenessSeconds">;
  readonly phases: { readonly check: HealthCheck };
  readonly resources: { readonly checks: readonly HealthCheck[] };
}

/** Staleness beyond which deliveries wait, seconds. */
const STALE_AFTER_SECONDS = 5;

/**
 * What `/readyz` reports. Without its database, a critical resource, a first registration or a first connection to Kafka a plugin can do
 * nothing; a manager that went away later, a rebalance or a stale table only delay it.
 */
export function healthChecks(parts: CheckedParts): readonly HealthCheck[] {
  const { registrar, kafka, consumers, breakers, database, table, phases, resources } = parts;
  return [
    phases.check,
    {
      name: "database",
      critical: true,
      problem: async () => {
        await database.sdk.query("SELECT 1");
        return null;
      },
    },
    {
      name: "registration",
      critical: true,
      problem: () => (registrar.registered ? null : registrar.problem),
    },
    { name: "kafka", critical: true, problem: () => kafka.problem },
    ...resources.checks,
    { name: "manager", critical: false, problem: () => registrar.problem },
    ...consumers.map((consumer) => ({ name: consumer.name, critical: false, problem: () => consumer.problem })),
    ...(breakers === null
      ? []
      : [{ name: "breakers", critical: false, problem: () => breakersProblem(breakers.status()) }]),
    ...(consumers.length === 0
      ? []
      : [
          {
            name: "routing-table",
            critical: false,
            problem: () =>
              table.stalenessSeconds() > STALE_AFTER_SECONDS ? "no valid answer; deliveries wait for one" : null,
          },
        ]),
  ];
}

/** Teams named in a health check. */
const TEAMS_SHOWN_MAX = 10;

/** Which breakers are not closed; null when all are. Why stands in the log: it may hold what a vendor said. */
function breakersProblem(open: readonly OpenBreaker[]): string | null {
  if (open.length === 0) return null;
  const shown = open.slice(0, TEAMS_SHOWN_MAX).map(({ team, opens, openMs, openedAt }) => {
    const what = team === WHOLE_PLUGIN ? "the whole plugin" : `team ${team}`;
    const state = openMs > 0 ? "open" : "half-open";
    return `${what}: ${state} since ${openedAt.toISOString()}, ${opens} times in a row`;
  });
  const more = open.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}
