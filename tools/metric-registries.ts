import { createRegistry, registerHealthMetrics, registerSafetyMetric } from "@plugboard/runtime";
import { registerPluginMetrics } from "../apps/manager/src/adapters/plugin-metrics.ts";
import { createManagerMetrics } from "../apps/manager/src/adapters/prometheus-metrics.ts";
import { registerParkedMetrics } from "../apps/router/src/adapters/parked-metrics.ts";
import { createRouterMetrics } from "../apps/router/src/adapters/router-metrics.ts";
import { registerSourceMetrics } from "../apps/router/src/adapters/source-metrics.ts";
import { createMetrics } from "../examples/collect-core/src/metrics.ts";
import { registerPhaseMetrics } from "../packages/plugin-sdk/src/lifecycle/phases.ts";
import { createSdkMetrics, registerDeliveryMetrics } from "../packages/plugin-sdk/src/metrics.ts";
import { registerResourceMetric } from "../packages/plugin-sdk/src/resources/resource-set.ts";
import { tableMetrics } from "../packages/routing-table/src/table-metrics.ts";

type Registry = ReturnType<typeof createRegistry>;

/** One metric as it is registered. */
export interface MetricDoc {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

/** Nothing is measured here, only named: what the metrics would ask is never asked. */
const UNASKED = undefined as never;

/** Of each job of prometheus.yml, every metric that its processes register; Node's own among them. */
export const METRICS: Readonly<Record<string, readonly MetricDoc[]>> = {
  manager: metricsOf({}, (registry) => {
    createManagerMetrics(registry, { routing: UNASKED, initialize: UNASKED });
    registerPluginMetrics(registry, UNASKED, UNASKED);
    registerTable(registry);
  }),
  router: metricsOf({}, (registry) => {
    createRouterMetrics(registry);
    registerSourceMetrics(registry, UNASKED, 0);
    registerSafetyMetric(registry, UNASKED);
    registerParkedMetrics(registry, UNASKED, UNASKED);
    registerTable(registry);
  }),
  plugins: metricsOf({ plugin: "<id>" }, (registry) => {
    createSdkMetrics(registry);
    registerDeliveryMetrics(registry, UNASKED);
    registerPhaseMetrics(registry, UNASKED);
    registerResourceMetric(registry, UNASKED);
    registerSafetyMetric(registry, UNASKED);
    registerTable(registry);
  }),
  "collect-core": metricsOf({}, (registry) => {
    createMetrics(registry, UNASKED);
  }),
};

/** The names that Node and the client library give: the same in every process. */
export function isNodesOwn({ name }: MetricDoc): boolean {
  return /^(nodejs|process)_/.test(name);
}

function registerTable(registry: Registry): void {
  tableMetrics(registry, { stalenessSeconds: () => 0, entries: () => 0 });
}

function metricsOf(labels: Record<string, string>, register: (registry: Registry) => void): MetricDoc[] {
  const registry = createRegistry({ labels });
  registerHealthMetrics([], registry);
  register(registry);
  const metrics = registry.getMetricsAsArray().map((metric): MetricDoc => {
    const { name, help, labelNames, type } = metric as unknown as {
      name: string;
      help: string;
      labelNames: readonly string[];
      type: string;
    };
    return { name, help, type, labels: [...Object.keys(labels), ...labelNames] };
  });
  registry.clear();
  return metrics.toSorted((a, b) => a.name.localeCompare(b.name, "en"));
}
