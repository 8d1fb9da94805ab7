import { decimal, type Grid, megabytes, thousands } from "../grid.ts";
import type { Result } from "../result.ts";

const LANES: Readonly<Record<string, string>> = {
  bulk: "bulk, where routers put what is over a team's quota",
  live: "live, in front of the others'",
};

/** How fast one team's backlog is worked off, and what it does to the others. */
export function backlogGrid({ records, teams, ratePerSecond, runs }: Extract<Result, { kind: "sdk-backlog" }>): Grid {
  return {
    title: `${records.toLocaleString("en-US")} deliveries of one team, and ${ratePerSecond}/s of ${teams - 1} others in the live lane from their intended send to their handler`,
    head: [
      "lane of the backlog",
      "deliveries/s",
      "until all was committed, s",
      "others' p50 ms",
      "p99 ms",
      "max ms",
      "load late by at most",
      "plugin cores",
      "memory first, last, most",
      "missing",
      "twice",
      "foreign",
      "not committed",
    ],
    rows: runs.map((run) => [
      LANES[run.lane] ?? run.lane,
      thousands(run.perSecond),
      thousands(run.seconds),
      thousands(run.p50Ms),
      thousands(run.p99Ms),
      thousands(run.maxMs),
      `${decimal(run.sendDelayMsMax)} ms`,
      decimal(run.cores),
      [run.rssBytesFirst, run.rssBytesLast, run.rssBytesMax].map(megabytes).join(", "),
      ...[run.verdict.missing, run.verdict.duplicate, run.verdict.foreign, run.verdict.uncommitted].map(thousands),
    ]),
  };
}
