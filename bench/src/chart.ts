import { BarChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { LatencyRun, Result, ThroughputSet } from "./result.ts";
import { spreadOf } from "./summary.ts";
import { titleOf } from "./tables.ts";

const WIDTH = 900;
const ROW_HEIGHT = 46;
const FRAME_HEIGHT = 130;

interface Bars {
  readonly title: string;
  readonly names: readonly string[];
  readonly series: readonly { readonly name: string; readonly values: readonly number[] }[];
}

use([BarChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

/** A result's chart as an SVG document; undefined for a result that is better read as a table. */
export function chartOf(result: Result): string | undefined {
  switch (result.kind) {
    case "throughput":
      return result.sets[0] === undefined || result.sets.length > 1 ? undefined : drawn(throughputBars(result.sets[0]));
    case "latency":
      return drawn(latencyBars(result.runs));
    case "table":
    case "fairness":
    case "freshness":
    case "sdk-overhead":
    case "sdk-sink":
    case "sdk-slow-team":
    case "sdk-backlog":
      return undefined;
  }
}

function throughputBars({ runs }: ThroughputSet): Bars {
  const groups = [
    ...Map.groupBy(runs, ({ peer, routers }) => (routers > 1 ? `${titleOf(peer)} × ${routers}` : titleOf(peer))),
  ];
  const values = groups.map(([, all]) => {
    const spread = spreadOf(all.filter(({ valid }) => valid).map(({ recordsPerSecond }) => recordsPerSecond));
    return Math.round(spread?.median ?? 0);
  });
  return {
    title: "Records routed per second, median",
    names: groups.map(([name]) => name),
    series: [{ name: "records/s", values }],
  };
}

function latencyBars(runs: readonly LatencyRun[]): Bars {
  const groups = [...Map.groupBy(runs, ({ peer }) => peer)];
  const medians = (pick: (run: LatencyRun) => number) =>
    groups.map(([, all]) => Number((spreadOf(all.filter(({ valid }) => valid).map(pick))?.median ?? 0).toFixed(1)));
  return {
    title: `Latency at ${runs[0]?.ratePerSecond ?? 0} records/s, ms, median of runs`,
    names: groups.map(([peer]) => titleOf(peer)),
    series: [
      { name: "p50", values: medians(({ p50Ms }) => p50Ms) },
      { name: "p99", values: medians(({ p99Ms }) => p99Ms) },
    ],
  };
}

function drawn({ title, names, series }: Bars): string {
  const height = FRAME_HEIGHT + names.length * ROW_HEIGHT * series.length;
  const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: { text: title, left: 16, top: 12 },
    ...(series.length > 1 && { legend: { top: 40, left: 16 } }),
    grid: { left: 16, right: 90, top: 72, bottom: 16, containLabel: true },
    xAxis: { type: "value" },
    yAxis: { type: "category", data: [...names], inverse: true },
    series: series.map(({ name, values }) => ({
      name,
      type: "bar",
      data: [...values],
      label: { show: true, position: "right" },
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
