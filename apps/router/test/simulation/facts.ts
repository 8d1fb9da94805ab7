import type { PluginEntry, TeamEntry } from "@plugboard/contract";
import { decideRoute } from "@plugboard/routing-table";
import type { ControlPlane } from "./control-plane.ts";
import type { Copy, History } from "./history.ts";
import { EVENTS_TOPIC } from "./names.ts";
import { STALE_AFTER_MS } from "./simulated-router.ts";
import { type Input, SOURCE } from "./workload.ts";

/** How far Redis may be behind the manager: a relay, or a Redis that lost something and is not rebuilt yet. */
const BEHIND_MS = 500;
/** How old a rule may be that an event is routed by. */
export const RULE_AGE_MS_MAX = STALE_AFTER_MS + BEHIND_MS;

/** What a schedule is judged by. */
export interface Facts {
  readonly history: History;
  readonly inputs: readonly Input[];
  readonly controlPlane: ControlPlane;
  readonly exactlyOnce: boolean;
  /** The longest that a machine was suspended: for so much longer, its router took its table for fresh. */
  readonly suspendedMsMax: number;
  /** Whether topics or brokers failed, so that copies may be parked. */
  readonly mayPark: boolean;
}

export function originOf({ partition, offset }: Pick<Input, "partition" | "offset">): string {
  return `${EVENTS_TOPIC}/${partition}/${offset}`;
}

/** The partition of events that a copy's event stands in. */
export function originPartition({ origin }: Copy): number {
  return Number(origin.split("/")[1]);
}

export function told({ at, origin, topic, parked, returned, router }: Copy): string {
  const how = parked ? " (parked)" : returned ? " (returned)" : "";
  return `${origin} in ${topic}${how} at ${at.toFixed(1)} by ${router}`;
}

/** From when on a rule may be the one that an event was routed by. */
export function ruleSince({ at }: Input, { suspendedMsMax }: Facts): number {
  return at - RULE_AGE_MS_MAX - suspendedMsMax;
}

/** What the rules said about an event and a plugin within some time: for each that was in force, whether it is wanted. */
export function wantedBetween(
  { team, type }: Input,
  plugin: string,
  from: number,
  to: number,
  { controlPlane }: Facts,
): boolean[] {
  if (team === null) return [false];
  const event = { teamId: team, type, id: "", source: SOURCE, formId: null };
  const wanted = (entry: TeamEntry | null, known: PluginEntry | null): boolean => {
    const route = entry?.plugins.find(({ id }) => id === plugin);
    if (route === undefined || known === null) return false;
    const question = { route, plugin: known, event, data: () => ({}), path: "async" } as unknown;
    return decideRoute(question as Parameters<typeof decideRoute>[0]).kind === "routed";
  };
  const entries = controlPlane.teamBetween(team, from, to);
  const known = controlPlane.pluginBetween(plugin, from, to);
  return entries.flatMap((entry) => known.map((plug) => wanted(entry, plug)));
}
