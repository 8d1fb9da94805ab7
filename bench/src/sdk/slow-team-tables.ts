import { decimal, type Grid, megabytes, rangeText, ratioText, thousands } from "../grid.ts";
import type { Result } from "../result.ts";
import { ratioOf, spreadOf } from "../summary.ts";
import type { SlowTeamRun } from "./sdk-result.ts";

type SlowTeamResult = Extract<Result, { kind: "sdk-slow-team" }>;

const TITLES: Readonly<Record<string, string>> = {
  quiet: "quiet",
  hangs: "one team's third party never answers",
  refuses: "one team's third party answers 429, Retry-After: 1",
};
/** What the others may wait longer: half as long again, or this. */
const FAIR_EXTRA_MS = 50;

/** The other teams' latency in each phase, the goal, and what became of everything. */
export function slowTeamGrids(result: SlowTeamResult): Grid[] {
  const phases = [...Map.groupBy(result.runs, ({ phase }) => phase)].sort(
    ([one], [other]) => Object.keys(TITLES).indexOf(one) - Object.keys(TITLES).indexOf(other),
  );
  return [latencyGrid(result, phases), goalGrid(phases), endGrid(result)];
}

type Phases = readonly (readonly [string, readonly SlowTeamRun[]])[];

function latencyGrid({ teams, slowTimes, ratePerSecond, seconds }: SlowTeamResult, phases: Phases): Grid {
  return {
    title: `${teams} teams, one of them sending ${slowTimes} times as much as each other; ${ratePerSecond} deliveries/s for ${seconds} s: from the intended send of the other teams' deliveries to their arrival at the third party`,
    head: [
      "one team",
      ...["p50", "p99", "max"].map((name) => `${name} ms (median, range)`),
      "p99 ms of what was sent after 10 s",
      "load late by at most",
      "its deliveries taken meanwhile",
      "waiting in the due-time table, most",
      "all taken after it was well, s",
      "plugin cores",
      "memory first, last, most",
      "runs",
    ],
    rows: phases.map(([phase, runs]) => {
      const spread = (pick: (run: SlowTeamRun) => number) => rangeText(spreadOf(runs.map(pick)), decimal);
      const sum = (pick: (run: SlowTeamRun) => number) => thousands(runs.reduce((total, run) => total + pick(run), 0));
      const median = (pick: (run: SlowTeamRun) => number) => spreadOf(runs.map(pick))?.median;
      return [
        TITLES[phase] ?? phase,
        spread(({ p50Ms }) => p50Ms),
        spread(({ p99Ms }) => p99Ms),
        spread(({ maxMs }) => maxMs),
        rangeText(spreadOf(runs.flatMap(({ laterP99Ms }) => laterP99Ms ?? [])), decimal),
        `${decimal(spreadOf(runs.map(({ sendDelayMsMax }) => sendDelayMsMax))?.max)} ms`,
        `${sum(({ slowTaken }) => slowTaken)} of ${sum(({ slowSent }) => slowSent)}`,
        thousands(spreadOf(runs.map(({ retriesMax }) => retriesMax))?.max),
        runs.some(({ caughtUpMs }) => caughtUpMs === null)
          ? "NOT all"
          : spread(({ caughtUpMs }) => (caughtUpMs ?? 0) / 1_000),
        decimal(median(({ cores }) => cores)),
        [
          median(({ rssBytesFirst }) => rssBytesFirst),
          median(({ rssBytesLast }) => rssBytesLast),
          spreadOf(runs.map(({ rssBytesMax }) => rssBytesMax))?.max,
        ]
          .map(megabytes)
          .join(", "),
        String(runs.length),
      ];
    }),
  };
}

function goalGrid(phases: Phases): Grid {
  const p99 = new Map(phases.map(([phase, runs]) => [phase, spreadOf(runs.map(({ p99Ms }) => p99Ms))]));
  const quiet = p99.get("quiet");
  const limit = quiet === undefined ? undefined : Math.max(1.5 * quiet.median, quiet.median + FAIR_EXTRA_MS);
  return {
    title: "The goal: p99 of the other teams within 1.5 times, or 50 ms more than in a quiet run, the larger; medians",
    head: ["one team", "p99 quiet, ms", "p99, ms", "ratio", "may be, ms", "met"],
    rows: [...p99]
      .filter(([phase]) => phase !== "quiet")
      .map(([phase, spread]) => {
        const met = limit === undefined || spread === undefined ? "–" : spread.median <= limit ? "yes" : "no";
        return [
          TITLES[phase] ?? phase,
          decimal(quiet?.median),
          decimal(spread?.median),
          ratioText(ratioOf(spread, quiet)),
          decimal(limit),
          met,
        ];
      }),
  };
}

function endGrid({ verdict }: SlowTeamResult): Grid {
  return {
    title: "What became of all deliveries, when the team was well again",
    head: [
      "sent",
      "missing",
      "twice, of the slow team",
      "twice, of others",
      "not committed",
      "left in the due-time table",
      "identities off",
      "dead letters",
    ],
    rows: [
      [
        verdict.sent,
        verdict.missing,
        verdict.duplicateSlow,
        verdict.duplicateOthers,
        verdict.uncommitted,
        verdict.waiting,
        verdict.identitiesOff,
        verdict.deadLetters,
      ].map((count) => thousands(count)),
    ],
  };
}
