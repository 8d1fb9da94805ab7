import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

const ROOT = join(import.meta.dirname, "../..");

/** The rules that somebody is woken by. */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Those of deploy/prometheus/alerts.yml. */
export function alertRules(): AlertRule[] {
  const file = parse(readFileSync(join(ROOT, "deploy/prometheus/alerts.yml"), "utf8")) as {
    groups: { rules: AlertRule[] }[];
  };
  return file.groups.flatMap(({ rules }) => rules);
}

/** A panel as far as it is checked. */
export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}

/** deploy/grafana/dashboards/plugboard.json. */
export function dashboard(): {
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] };
} {
  return JSON.parse(readFileSync(join(ROOT, "deploy/grafana/dashboards/plugboard.json"), "utf8"));
}

/** The dashboard's expressions with Grafana's variables filled in, and the panel each is of. */
export function dashboardQueries(): { readonly title: string; readonly expr: string }[] {
  return dashboard().panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      title,
      expr: expr.replaceAll("$__rate_interval", "1m").replaceAll("$plugin", ".*"),
    })),
  );
}
