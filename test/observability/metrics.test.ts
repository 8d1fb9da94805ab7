import { describe, expect, test } from "@jest/globals";
import { isNodesOwn, METRICS, type MetricDoc } from "../../tools/metric-registries.ts";
import { alertRules, dashboard, dashboardQueries } from "./operator-queries.ts";
import { promqlNames } from "./promql-names.ts";

const OWN: [string, MetricDoc][] = Object.entries(METRICS).flatMap(([job, metrics]) =>
  metrics.filter((metric) => !isNodesOwn(metric)).map((metric): [string, MetricDoc] => [job, metric]),
);
/** Every label a metric may have, and what bounds its values. */
const LABELS: Readonly<Record<string, string>> = {
  plugin: "registered plugins; a manager tells of 500",
  topic: "plugins' topics",
  partition: "partitions of a topic",
  route: "templates of the manager's API, and other",
  method: "methods that Node's parser knows",
  status: "HTTP statuses, or those of the sync path",
  event: "types of events that the core emits",
  version: "the one that runs",
  resource: "resources that a plugin declares",
  ...Object.fromEntries(
    ["reason", "result", "outcome", "outbox", "check", "call", "state", "lane", "phase"].map((name) => [
      name,
      "a closed list in the code",
    ]),
  ),
};
const UNITS = /_(seconds|bytes|records|rows|events|partitions|teams|instances|entries|total|info)$/;
/** Gauges that are flags or plain counts. */
const WITHOUT_UNIT = new Set([
  "plugboard_ready",
  "plugboard_health_check_passing",
  "plugboard_unsafe_settings",
  "manager_plugin_maintenance",
  "plugin_breaker_open",
  "plugin_in_flight",
  "plugin_phase",
  "plugin_resource_available",
  "plugin_retries_waiting",
  "plugin_retries_limit",
]);

describe("every metric of every process", () => {
  test.each(OWN)("%s: %o is named, helped and bounded as the conventions say", (_job, { name, type, help, labels }) => {
    expect(name).toMatch(/^(router|manager|plugin|core|routing_table|plugboard)_[a-z0-9]+(_[a-z0-9]+)*$/);
    expect(name.endsWith("_total")).toBe(type === "counter");
    if (!WITHOUT_UNIT.has(name)) expect(name).toMatch(UNITS);
    expect(help.length).toBeGreaterThan(20);
    expect(help).toMatch(/^[A-Z0-9].*\.$/s);
    for (const label of labels) expect(Object.keys(LABELS)).toContain(label);
  });
});

const ADDED_BY_PROMETHEUS = ["job", "instance"];

/** A metric's labels in any process; null when none has it. */
function labelsOf(name: string): string[] | null {
  if (name === "up") return ADDED_BY_PROMETHEUS;
  const base = name.replace(/_(bucket|sum|count)$/, "");
  const found = Object.values(METRICS)
    .flat()
    .filter((metric) => metric.name === name || (metric.name === base && metric.type === "histogram"));
  if (found.length === 0) return null;
  return [
    ...found.flatMap(({ labels }) => labels),
    ...ADDED_BY_PROMETHEUS,
    ...(name.endsWith("_bucket") ? ["le"] : []),
  ];
}

const QUERIES = [
  ...alertRules().map(({ alert, expr }) => [`alert ${alert}`, expr] as const),
  ...dashboardQueries().map(({ title, expr }) => [`panel ${title}`, expr] as const),
];

describe("every expression of an alert or a panel", () => {
  test.each(QUERIES)("%s is PromQL and names only metrics and labels that there are", (_title, expr) => {
    const { errors, selectors, grouping } = promqlNames(expr);
    expect(errors).toEqual([]);
    expect(selectors.length).toBeGreaterThan(0);
    const known = new Set<string>();
    for (const { metric, labels } of selectors) {
      const has = labelsOf(metric);
      expect([metric, has]).not.toEqual([metric, null]);
      for (const label of has ?? []) known.add(label);
      for (const label of labels) expect([metric, has]).toEqual([metric, expect.arrayContaining([label])]);
    }
    for (const label of grouping) expect([...known]).toContain(label);
  });

  test("a metric that does not exist, a label it does not have and broken PromQL are seen", () => {
    expect(labelsOf("router_lag_seconds")).toBeNull();
    expect(labelsOf("router_lag_records")).not.toContain("team");
    expect(promqlNames("sum by (plugin (x)").errors).not.toEqual([]);
    expect(promqlNames('max by (a) (x{b="1"})')).toEqual({
      errors: [],
      selectors: [{ metric: "x", labels: ["b"] }],
      grouping: ["a"],
    });
  });
});

describe("alerts", () => {
  test.each(alertRules())(
    "$alert says how bad it is, what it is and where to read on",
    ({ alert, labels, annotations }) => {
      expect(alert).toMatch(/^Plugboard[A-Za-z]+$/);
      expect(["critical", "warning"]).toContain(labels.severity);
      expect(annotations.summary?.length).toBeGreaterThan(10);
      expect(annotations.description?.length).toBeGreaterThan(40);
      expect(annotations.runbook_url).toBe(`docs/RUNBOOK.md#${alert.toLowerCase()}`);
    },
  );
});

describe("the dashboard", () => {
  const { panels, templating } = dashboard();
  const shown = panels.filter(({ type }) => type !== "row");

  test("has panels with a unit, a description and the chosen data source, each under its own id", () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const { title, description, fieldConfig, datasource, targets } of shown) {
      expect([title, fieldConfig?.defaults.unit]).toEqual([title, expect.any(String)]);
      expect(description?.length).toBeGreaterThan(5);
      for (const source of [datasource, ...(targets ?? []).map((target) => target.datasource)])
        expect(source?.uid).toBe("$" + "{datasource}");
    }
    expect(templating.list.map(({ name, type }) => [name, type])).toEqual([
      ["datasource", "datasource"],
      ["plugin", "query"],
    ]);
  });

  test("lays them out without overlap", () => {
    for (const [index, { gridPos: a, title }] of panels.entries()) {
      expect(a.x + a.w).toBeLessThanOrEqual(24);
      for (const { gridPos: b, title: other } of panels.slice(index + 1)) {
        const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
        expect([title, other, apart]).toEqual([title, other, true]);
      }
    }
  });
});
