import { costGrids, showsCost } from "./cost-table.ts";
import { decimal, type Grid, megabytes, rangeText, ratioText, thousands } from "./grid.ts";
import { PEERS } from "./peers.ts";
import type { FairnessRun, LatencyRun, Result, ThroughputRun, ThroughputSet } from "./result.ts";
import { backlogGrid } from "./sdk/backlog-table.ts";
import { overheadGrid, sinkGrid } from "./sdk/sdk-tables.ts";
import { slowTeamGrids } from "./sdk/slow-team-tables.ts";
import { quantileOf, ratioOf, spreadOf } from "./summary.ts";
import type { Faults } from "./verifier.ts";

const COMPARED = [
  { id: "streams", title: "× Kafka Streams" },
  { id: "java", title: "× plain Java" },
] as const;

/** Everything that a result has to show. */
export function gridsOf(result: Result): Grid[] {
  switch (result.kind) {
    case "throughput":
      return showsCost(result.sets) ? costGrids(result.sets) : result.sets.map(throughputGrid);
    case "latency":
      return [latencyGrid(result.runs)];
    case "table":
      return [...result.sets.map(throughputGrid), coldStartGrid(result)];
    case "fairness":
      return [fairnessGrid(result), fairnessGoalGrid(result.runs)];
    case "freshness":
      return [freshnessGrid(result.changes), tableCheckGrid(result.tables)];
    case "sdk-overhead":
      return [overheadGrid(result)];
    case "sdk-sink":
      return [sinkGrid(result)];
    case "sdk-slow-team":
      return slowTeamGrids(result);
    case "sdk-backlog":
      return [backlogGrid(result)];
  }
}

function throughputGrid(set: ThroughputSet): Grid {
  const groups = [...Map.groupBy(set.runs, ({ peer, routers }) => `${peer}/${routers}`).values()];
  const several = set.runs.some(({ routers }) => routers > 1);
  const spreads = new Map(groups.map((runs) => [`${runs[0]?.peer}/${runs[0]?.routers}`, spreadOf(rates(runs))]));
  return {
    title: `Throughput: ${set.label}`,
    head: [
      "router",
      ...(several ? ["instances"] : []),
      "records in/s (median, range)",
      ...(several ? ["× one instance"] : []),
      ...COMPARED.map(({ title }) => title),
      "router cores",
      "in/s per core",
      "broker cores",
      "memory",
      ...FAULT_HEAD,
    ],
    rows: groups.map((runs) => {
      const spread = spreadOf(rates(runs));
      const valid = runs.filter((run) => run.valid);
      const median = (pick: (run: ThroughputRun) => number | null) =>
        spreadOf(valid.map(pick).filter((value) => value !== null))?.median;
      return [
        titleOf(runs[0]?.peer),
        ...(several ? [String(runs[0]?.routers)] : []),
        rangeText(spread, thousands),
        ...(several ? [ratioText(ratioOf(spread, spreads.get(`${runs[0]?.peer}/1`)))] : []),
        ...COMPARED.map(({ id }) => ratioText(ratioOf(spread, spreads.get(`${id}/${runs[0]?.routers}`)))),
        decimal(median(({ routerCores }) => routerCores)),
        thousands(median(({ recordsPerCoreSecond }) => recordsPerCoreSecond)),
        decimal(median(({ brokerCores }) => brokerCores)),
        megabytes(median(({ rssBytesMax }) => rssBytesMax)),
        ...faultCells(runs),
      ];
    }),
  };
}

/** A run with faults gives no rate. */
function rates(runs: readonly ThroughputRun[]): number[] {
  return runs.filter(({ valid }) => valid).map(({ recordsPerSecond }) => recordsPerSecond);
}

function latencyGrid(runs: readonly LatencyRun[]): Grid {
  const head = ["p50", "p90", "p99", "p99.9", "max"].map((name) => `${name} ms (median, range)`);
  const groups = [...Map.groupBy(runs, ({ peer }) => peer)];
  return {
    title: `Latency, open loop at ${runs[0]?.ratePerSecond ?? 0} records/s: from the intended send to the copy's arrival at a consumer`,
    head: ["router", ...head, "router cores", "load late by at most", ...FAULT_HEAD],
    rows: groups.map(([peer, all]) => {
      const valid = all.filter((run) => run.valid);
      const spread = (pick: (run: LatencyRun) => number) => rangeText(spreadOf(valid.map(pick)), decimal);
      return [
        titleOf(peer),
        spread(({ p50Ms }) => p50Ms),
        spread(({ p90Ms }) => p90Ms),
        spread(({ p99Ms }) => p99Ms),
        spread(({ p999Ms }) => p999Ms),
        spread(({ maxMs }) => maxMs),
        decimal(spreadOf(valid.map(({ routerCores }) => routerCores))?.median),
        `${decimal(spreadOf(all.map(({ sendDelayMaxMs }) => sendDelayMaxMs))?.max)} ms`,
        ...faultCells(all),
      ];
    }),
  };
}

function coldStartGrid({ coldStartsMs, enablementsPerSecond }: Extract<Result, { kind: "table" }>): Grid {
  const text = rangeText(spreadOf(coldStartsMs), (value) => `${thousands(value)} ms`);
  return {
    title: "Cold start with the large table in Redis, and the manager's own speed",
    head: ["from a router's start to its first copy", "enablements taken by the manager per second"],
    rows: [[text, thousands(enablementsPerSecond ?? undefined)]],
  };
}

function freshnessGrid(changes: Extract<Result, { kind: "freshness" }>["changes"]): Grid {
  const groups = [...Map.groupBy(changes, ({ scenario, change }) => `${scenario}\u0000${change}`).values()];
  return {
    title: "Freshness: from the manager's answer to the new rule in force",
    head: [
      "scenario",
      "change",
      "changes",
      "answers",
      "first copy by the new rule, ms: p50",
      "p99",
      "last copy by the old rule, ms: p50",
      "p99",
      "max",
    ],
    rows: groups.map((all) => {
      const at = (pick: (one: (typeof all)[number]) => number, share: number) =>
        decimal(quantileOf(all.map(pick), share));
      return [
        all[0]?.scenario ?? "",
        all[0]?.change ?? "",
        String(all.length),
        [...new Set(all.map(({ answeredWith }) => answeredWith))].join(", "),
        at(({ firstNewMs }) => firstNewMs, 0.5),
        at(({ firstNewMs }) => firstNewMs, 0.99),
        at(({ lastOldMs }) => lastOldMs, 0.5),
        at(({ lastOldMs }) => lastOldMs, 0.99),
        at(({ lastOldMs }) => lastOldMs, 1),
      ];
    }),
  };
}

function tableCheckGrid(checks: Extract<Result, { kind: "freshness" }>["tables"]): Grid {
  return {
    title: "Each router's table against Postgres, after each scenario",
    head: ["scenario", "teams", "routers", "differences"],
    rows: checks.map(({ scenario, teams, routers, differences }) =>
      [scenario, teams, routers, differences].map(String),
    ),
  };
}

const LOADS = [
  { load: "quiet", title: "without the noisy team" },
  { load: "noisy", title: "with it" },
] as const;

function fairnessGrid({ runs, workload, quota, capacityPerSecond }: Extract<Result, { kind: "fairness" }>): Grid {
  const capacity = capacityPerSecond === null ? "" : `, of ${thousands(capacityPerSecond)} that the router takes`;
  const total = runs.find(({ load }) => load === "noisy")?.ratePerSecond;
  return {
    title: `Fairness: ${workload.active} teams, one of them sending ${workload.noisy?.times ?? 0} times as much as each other, ${thousands(total)} records/s in all${capacity}; each with a quota of ${decimal(quota.eventsPerSecond)} events/s`,
    head: [
      "load",
      "records/s",
      ...["p50", "p99", "max"].map((name) => `${name} ms of the other teams' copies (median, range)`),
      "noisy team's copies in bulk",
      "others' in bulk",
      "router cores",
      "load late by at most",
      ...FAULT_HEAD,
    ],
    rows: LOADS.map(({ load, title }) => {
      const all = runs.filter((run) => run.load === load);
      const valid = all.filter((run) => run.valid);
      const spread = (pick: (run: FairnessRun) => number) => rangeText(spreadOf(valid.map(pick)), decimal);
      const sum = (pick: (run: FairnessRun) => number) => all.reduce((total, run) => total + pick(run), 0);
      const [bulk, live] = [sum(({ noisyBulk }) => noisyBulk), sum(({ noisyLive }) => noisyLive)];
      return [
        title,
        thousands(all[0]?.ratePerSecond),
        spread(({ p50Ms }) => p50Ms),
        spread(({ p99Ms }) => p99Ms),
        spread(({ maxMs }) => maxMs),
        bulk + live === 0 ? "–" : `${((100 * bulk) / (bulk + live)).toFixed(1)} %`,
        thousands(sum(({ othersBulk }) => othersBulk)),
        decimal(spreadOf(valid.map(({ routerCores }) => routerCores))?.median),
        `${decimal(spreadOf(all.map(({ sendDelayMaxMs }) => sendDelayMaxMs))?.max)} ms`,
        ...faultCells(all),
      ];
    }),
  };
}

/** What the others may wait longer: half as long again, or this. */
const FAIR_EXTRA_MS = 20;

function fairnessGoalGrid(runs: readonly FairnessRun[]): Grid {
  const [quiet, noisy] = LOADS.map(({ load }) =>
    spreadOf(runs.filter((run) => run.load === load && run.valid).map(({ p99Ms }) => p99Ms)),
  );
  const limit = quiet === undefined ? undefined : Math.max(1.5 * quiet.median, quiet.median + FAIR_EXTRA_MS);
  const met = limit === undefined || noisy === undefined ? "–" : noisy.median <= limit ? "yes" : "no";
  return {
    title:
      "The goal: p99 of the other teams within 1.5 times, or 20 ms more than without the noisy team, the larger; medians",
    head: ["without, ms", "with, ms", "ratio", "may be, ms", "met"],
    rows: [[decimal(quiet?.median), decimal(noisy?.median), ratioText(ratioOf(noisy, quiet)), decimal(limit), met]],
  };
}

const FAULT_HEAD = ["missing", "duplicate", "misrouted", "changed", "order breaks", "runs"] as const;

/** The sum over all runs, the invalid ones above all. */
function faultCells(runs: readonly { readonly verdict: Faults; readonly valid: boolean }[]): string[] {
  const sum = (pick: (faults: Faults) => number) =>
    String(runs.reduce((total, { verdict }) => total + pick(verdict), 0));
  const invalid = runs.filter(({ valid }) => !valid).length;
  return [
    sum(({ missing }) => missing),
    sum(({ duplicate }) => duplicate),
    sum(({ misrouted }) => misrouted),
    sum(({ changed }) => changed),
    sum(({ orderBreaks }) => orderBreaks),
    invalid === 0 ? String(runs.length) : `${runs.length}, ${invalid} INVALID`,
  ];
}

export function titleOf(peer: string | undefined): string {
  return (
    PEERS.find(({ id }) => id === peer)?.title ?? (peer === "direct" ? "no router: produced, consumed" : (peer ?? ""))
  );
}
