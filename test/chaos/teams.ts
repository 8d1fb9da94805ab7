import type { Quota } from "@plugboard/contract";

/** Plugins that have a topic and no process: what is routed to them is read from their topics. */
export const TOPIC_PLUGINS = ["alpha", "beta", "toggled", "doomed", "fragile"] as const;
/** The plugin that runs as a process; each delivery is a request to {@link EffectSink}. */
export const PROCESS_PLUGIN = "recorder";
/** On two brokers of three, both needed: it alone cannot be written when one of them is away. */
export const FRAGILE_PLUGIN = "fragile";
/** Its topic is the one that is deleted. */
export const DOOMED_PLUGIN = "doomed";
/** Every team with a plugin at all has this one: when a copy of it was routed says when the event was. */
export const STEADY_PLUGIN = "alpha";
/** Switched on and off all the time, for {@link TOGGLED_TEAM}. */
export const TOGGLED_PLUGIN = "toggled";
export const TOGGLED_TEAM = "team-toggled";
/** Its events take all lanes: some are urgent, some history, and two of its plugins have a quota that is soon used up. */
export const LANED_TEAM = "team-laned";
/** Its handler hangs, or is refused by the vendor, when a fault says so. */
export const TROUBLED_TEAM = "team-troubled";

/** Who has which plugins all the time. `team-none` exists for those that have none. */
export const ENABLED: Readonly<Record<string, readonly string[]>> = {
  "team-plain": ["alpha"],
  "team-both": ["alpha", "beta"],
  "team-fragile": ["alpha", "fragile"],
  "team-doomed": ["alpha", "doomed"],
  [TOGGLED_TEAM]: ["alpha"],
  "team-recorded": ["alpha", "recorder"],
  [TROUBLED_TEAM]: ["alpha", "recorder"],
  [LANED_TEAM]: ["alpha", "beta", "recorder"],
  "team-none": [],
};

/** What a team may have delivered to a plugin as it comes; what is over it takes the bulk lane. */
export const QUOTAS: Readonly<Record<string, Readonly<Record<string, Quota>>>> = {
  [LANED_TEAM]: { beta: { eventsPerSecond: 4, burst: 8 }, recorder: { eventsPerSecond: 6, burst: 12 } },
};

export const SOURCE = "chaos";
export const RESPONSES = "responses";
export const PARKED = "router.parked";
export const ROUTER_GROUP = "plugboard-router";
