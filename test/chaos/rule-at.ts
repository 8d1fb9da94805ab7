import type { FaultWindow, RuleChange } from "./journal.ts";

/** A change counts at the latest so long after its 200: a quarter of a second while healthy; the rest is a busy machine. */
const CHANGE_SLACK_MS = 2_000;
/** The table's bound on staleness while something fails, counted from when it is over. */
const STALENESS_MS = 6_000;

/** What changed, and what went wrong meanwhile. */
export interface Rules {
  readonly changes: readonly RuleChange[];
  readonly windows: readonly FaultWindow[];
}

/** What a team's changing rule for a plugin was at a time; `either` while a change was on its way. */
export function ruleAt({ changes, windows }: Rules, team: string, plugin: string, at: number): "on" | "off" | "either" {
  let state: "on" | "off" = "off";
  for (const change of changes) {
    if (change.plugin !== plugin || change.team !== team) continue;
    if (at < change.askedAt) break;
    if (at < inForceAt(change, windows)) return "either";
    state = change.enabled ? "on" : "off";
  }
  return state;
}

/** Whether a rule was clearly on from one time to another. */
export function wasOn(rules: Rules, team: string, plugin: string, from: number, to: number): boolean {
  const turned = rules.changes.filter((change) => change.team === team && change.plugin === plugin);
  return ruleAt(rules, team, plugin, from) === "on" && !turned.some(({ askedAt }) => askedAt > from && askedAt <= to);
}

/** A change that fell into a fault may take until the fault is over, and the staleness bound on top. */
function inForceAt(change: RuleChange, windows: readonly FaultWindow[]): number {
  const during = windows.filter(
    ({ injectedAt, settledAt }) => injectedAt <= change.inForceAt + CHANGE_SLACK_MS && change.askedAt <= settledAt,
  );
  return Math.max(change.inForceAt + CHANGE_SLACK_MS, ...during.map(({ settledAt }) => settledAt + STALENESS_MS));
}
