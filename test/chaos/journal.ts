import { readFileSync } from "node:fs";

/** When a fault was there. All times are milliseconds since 1970. */
export interface FaultWindow {
  readonly fault: string;
  readonly injectedAt: number;
  /** The fault takes a member from the routers' group. */
  readonly losesMember: boolean;
  /** Nobody can do anything against the fault while it stands. */
  readonly standing: boolean;
  healedAt: number;
  /** When everything written before had been routed and every process was ready again. */
  settledAt: number;
}

/** Something that makes a repeated copy right: a kill, a freeze, a lost leader. */
export interface Disturbance {
  readonly at: number;
  readonly what: string;
}

/** A team's switch for a plugin. Between `askedAt` and `inForceAt` a router may follow either. */
export interface RuleChange {
  readonly team: string;
  readonly plugin: string;
  readonly enabled: boolean;
  readonly askedAt: number;
  inForceAt: number;
}

/** What the routers log when they read again what they may have written already. */
const REPEATING_LOGS: readonly string[] = [
  "reading again from the committed offsets",
  "membership in the group lost: joining again",
  "work in hand was not finished",
  "stopping with work in hand",
  "joining the group failed",
  "returning parked copies failed",
  "returning parked copies was not finished",
];

/** By how much the noted time of a kill may be late. */
const NOTED_LATE_MS = 2_000;

/** The last thing that may have had events read again that were routed before `first`, and written again by `second`. */
export function causeBetween(
  disturbances: readonly Disturbance[],
  first: number,
  second: number,
): Disturbance | undefined {
  return disturbances
    .filter(({ at }) => at >= first - NOTED_LATE_MS && at <= second + NOTED_LATE_MS)
    .reduce<Disturbance | undefined>(
      (last, each) => (last === undefined || each.at >= last.at ? each : last),
      undefined,
    );
}

/** What was done to the installation, and when. */
export class Journal {
  readonly windows: FaultWindow[] = [];
  readonly disturbances: Disturbance[] = [];
  readonly changes: RuleChange[] = [];
  /** A topic's copies until then went with the topic. */
  readonly deletions: { readonly topic: string; readonly until: number }[] = [];
  /** Values of the poison records written, each unlike any other. */
  readonly poison: string[] = [];
  /** Keys may have changed their partition. */
  partitionsAdded = false;

  /** Notes a kill, a freeze, or anything else after which a copy may come twice. */
  disturbed(what: string): void {
    this.disturbances.push({ at: Date.now(), what });
  }

  /** Adds what the routers say of repeated work in their logs. */
  readRouterLogs(files: readonly string[]): void {
    for (const file of files) {
      for (const line of readFileSync(file, "utf8").split("\n")) {
        const said = REPEATING_LOGS.find((text) => line.includes(text));
        if (said === undefined) continue;
        this.disturbances.push({ at: timeOf(line), what: said });
      }
    }
  }
}

function timeOf(line: string): number {
  return Date.parse((JSON.parse(line) as { time: string }).time);
}
