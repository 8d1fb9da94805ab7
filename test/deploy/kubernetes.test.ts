import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { projectRoot } from "@plugboard/stack";
import { parse, parseAllDocuments } from "yaml";
import { loadRouterSettings, routerSettings } from "../../apps/router/src/settings.ts";
import { coreSettings } from "../../examples/collect-core/src/settings.ts";
import { METRICS } from "../../tools/metric-registries.ts";
import { promqlNames } from "../observability/promql-names.ts";
import { readCompose } from "./compose-file.ts";
import { manifestProblems } from "./kubernetes-schemas.ts";

const DIRECTORY = join(projectRoot(), "deploy", "kubernetes");
// biome-ignore lint/suspicious/noExplicitAny: documents of any kind; their schemas say what is in them
type Manifest = any;

function manifests(file: string): Manifest[] {
  return parseAllDocuments(readFileSync(join(DIRECTORY, file), "utf8")).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS();
  });
}

/** What has a schema; values of a chart have none. */
const FILES = readdirSync(DIRECTORY).filter((file) => !file.endsWith("-values.yaml"));
const WORKLOADS = ["router.yaml", "router-exactly-once.yaml"].map((file) => {
  const [workload, ...others] = manifests(file);
  return [file, workload, others] as const;
});
const defaults = (schema: { parse(value: unknown): unknown }) => schema.parse(undefined);

describe("the manifests of deploy/kubernetes", () => {
  test.each(FILES)("%s fits the schemas of its kinds, with no name that they do not know", (file) => {
    for (const manifest of manifests(file)) expect(manifestProblems(manifest)).toEqual([]);
  });

  test("a wrong value, a missing one and a misspelt name would be found", () => {
    const [deployment] = manifests("router.yaml");
    deployment.spec.replicas = "two";
    deployment.spec.template.spec.terminationGracePeriod = 40;
    delete deployment.spec.selector;
    const [scaledObject] = manifests("keda.yaml");
    scaledObject.spec.maxReplicas = 3;
    scaledObject.spec.triggers[0].metadata.lagThreshold = 7;
    const told = [...manifestProblems(deployment), ...manifestProblems(scaledObject)].join("\n");
    for (const problem of [
      /\/spec\/replicas: .*integer/,
      /\/spec\/template\/spec\/terminationGracePeriod: unknown/,
      /\/spec: .*selector/,
      /\/spec\/maxReplicas: unknown/,
      /\/spec\/triggers\/0\/metadata\/lagThreshold: .*string/,
    ])
      expect(told).toMatch(problem);
  });

  test.each(WORKLOADS)("%s: the router takes its settings, and only such as there are", (file, workload) => {
    const [{ env, ports, volumeMounts }] = workload.spec.template.spec.containers;
    const [{ mountPath }] = volumeMounts;
    const given: Record<string, string> = {};
    for (const { name, value, valueFrom } of env) {
      const setting = name.replace(/_FILE$/, "");
      expect(Object.keys(routerSettings)).toContain(setting);
      if (name.endsWith("_FILE")) expect(value).toMatch(new RegExp(`^${mountPath}/[a-z-]+$`));
      given[setting] = value ?? (valueFrom.fieldRef.fieldPath === "metadata.name" ? "plugboard-router-0" : "");
    }
    const settings = loadRouterSettings({ ...given, REDIS_URL: "redis://redis:6379", MANAGER_TOKEN: "token" });
    expect(settings.ROUTER_DELIVERY).toBe(file === "router.yaml" ? "at-least-once" : "exactly-once");
    expect(ports).toEqual([{ name: "ops", containerPort: settings.PORT }]);
  });

  test.each(WORKLOADS)("%s: what chooses pods chooses the router's", (_file, workload, [budget, service]) => {
    const { labels } = workload.spec.template.metadata;
    const [spread] = workload.spec.template.spec.topologySpreadConstraints;
    for (const chosen of [
      workload.spec.selector.matchLabels,
      spread.labelSelector.matchLabels,
      budget.spec.selector.matchLabels,
      service.spec.selector,
    ])
      expect(labels).toMatchObject(chosen);
    expect(workload.spec.serviceName ?? service.metadata.name).toBe(service.metadata.name);
  });

  test.each(WORKLOADS)("%s: time to drain and memory as on one server", (_file, workload) => {
    const { mem_limit: memory, stop_grace_period: grace } =
      readCompose(join(projectRoot(), "docker-compose.yml")).services.router ?? {};
    const { terminationGracePeriodSeconds, containers } = workload.spec.template.spec;
    expect(terminationGracePeriodSeconds).toBeGreaterThanOrEqual(Number.parseInt(String(grace), 10));
    expect(containers[0].resources.limits.memory).toBe(String(memory).replace(/m$/, "Mi"));
  });

  test("both autoscalers ask about the routers' group and topic, and never for more routers than partitions", () => {
    const [scaledObject] = manifests("keda.yaml");
    const [hpa] = manifests("hpa.yaml");
    const [{ type, metadata }] = scaledObject.spec.triggers;
    expect(type).toBe("kafka");
    expect(metadata).toMatchObject({
      consumerGroup: defaults(routerSettings.ROUTER_GROUP_ID),
      topic: defaults(routerSettings.RESPONSES_TOPIC),
    });
    const partitions = Number(defaults(coreSettings.RESPONSES_PARTITIONS));
    for (const [most, target] of [
      [scaledObject.spec.maxReplicaCount, scaledObject.spec.scaleTargetRef],
      [hpa.spec.maxReplicas, hpa.spec.scaleTargetRef],
    ]) {
      expect(most).toBeLessThanOrEqual(partitions);
      expect(target.name).toBe(WORKLOADS[0]?.[1].metadata.name);
    }
    expect(hpa.spec.behavior).toEqual(scaledObject.spec.advanced.horizontalPodAutoscalerConfig.behavior);
  });

  test("the adapter hands on what the autoscaler asks for, made of a metric that routers have", () => {
    const values = parse(readFileSync(join(DIRECTORY, "prometheus-adapter-values.yaml"), "utf8"));
    const [{ seriesQuery, name, metricsQuery }] = values.rules.external;
    const [hpa] = manifests("hpa.yaml");
    expect(hpa.spec.metrics[0].external.metric.name).toBe(name.as);
    expect(METRICS.router?.map((metric) => metric.name)).toContain(seriesQuery);
    const filled = metricsQuery.replace("<<.Series>>", seriesQuery).replace("<<.LabelMatchers>>", 'namespace="x"');
    const { errors, selectors } = promqlNames(filled);
    expect([errors, selectors.map(({ metric }) => metric)]).toEqual([[], [seriesQuery]]);
  });
});
