import { describe, expect, test } from "@jest/globals";
import type { EventAttributes, PluginEntry, TeamRoute } from "@plugboard/contract";
import fc from "fast-check";
import { decideRoute, type RouteQuestion } from "../../src/domain/decide-route.ts";

const EVENT: EventAttributes = {
  id: "1",
  source: "core",
  type: "onResponse",
  teamId: "team-a",
  formId: "census",
  responseId: "r-1",
  revision: 1,
  time: null,
  priority: null,
};
const PLUGIN: PluginEntry = {
  v: 1,
  events: ["onResponse"],
  priorityEvents: [],
  sync: { url: "http://127.0.0.1:1", deadlineMs: 100 },
  state: "enabled",
};
const ROUTE: TeamRoute = {
  id: "sms",
  ready: true,
  forms: null,
  filter: null,
  mode: "both",
  onFailure: "open",
  quota: null,
};

interface Row {
  readonly route?: Partial<TeamRoute>;
  readonly plugin?: Partial<PluginEntry> | null;
  readonly event?: Partial<EventAttributes>;
  readonly data?: () => object;
}

const adults = { filter: "answers.age >= 18" };
const aged = (age: unknown) => () => ({ answers: { age } });

function question(row: Row, path: "async" | "sync"): RouteQuestion {
  return {
    route: { ...ROUTE, ...row.route },
    plugin: row.plugin === null ? undefined : { ...PLUGIN, ...row.plugin },
    event: { ...EVENT, ...row.event },
    data: row.data ?? (() => ({})),
    path,
  };
}

function decided(row: Row, path: "async" | "sync"): string {
  const decision = decideRoute(question(row, path));
  return decision.kind === "routed" ? "routed" : decision.reason;
}

describe("who gets an event, row by row", () => {
  test.each<[string, Row, string, string]>([
    ["enabled and applied", {}, "routed", "routed"],
    ["settings not applied", { route: { ready: false } }, "not-configured", "not-configured"],
    ["plugin unknown to the manager", { plugin: null }, "deregistered", "deregistered"],
    ["plugin deregistered", { plugin: { state: "deregistered" } }, "deregistered", "deregistered"],
    ["plugin in maintenance", { plugin: { state: "disabled" } }, "routed", "maintenance"],
    ["an event the plugin does not want", { event: { type: "onForm" } }, "not-subscribed", "not-subscribed"],
    ["a plugin that wants nothing", { plugin: { events: [] } }, "not-subscribed", "not-subscribed"],
    ["enabled for the submit only", { route: { mode: "sync" } }, "sync-only", "routed"],
    ["enabled for Kafka only", { route: { mode: "async" } }, "routed", "async-only"],
    ["a plugin without a sync side", { plugin: { sync: null } }, "routed", "async-only"],
    ["narrowed to the event's form", { route: { forms: ["other", "census"] } }, "routed", "routed"],
    ["narrowed to other forms", { route: { forms: ["other"] } }, "form", "form"],
    ["narrowed to forms, an event without one", { route: { forms: ["a"] }, event: { formId: null } }, "form", "form"],
    ["a filter that matches", { route: adults, data: aged(18) }, "routed", "routed"],
    ["a filter that does not match", { route: adults, data: aged(17) }, "filter", "filter"],
    ["a filter on a missing answer", { route: adults }, "filter-error", "filter-error"],
    ["a filter that does not compile", { route: { filter: "1 +" } }, "filter-error", "filter-error"],
    ["a form that does not fit, settings not applied", { route: { forms: ["x"], ready: false } }, "form", "form"],
    ["a filter, settings not applied", { route: { ...adults, ready: false } }, "not-configured", "not-configured"],
  ])("%s", (_name, row, byKafka, inSubmit) => {
    expect(decided(row, "async")).toBe(byKafka);
    expect(decided(row, "sync")).toBe(inSubmit);
  });

  test("a payload that is not JSON is the filter's error, with what is wrong", () => {
    const data = () => JSON.parse("{") as object;
    const decision = decideRoute(question({ route: adults, data }, "async"));
    expect(decision).toMatchObject({ kind: "unmatched", reason: "filter-error" });
    expect(decision.kind === "unmatched" && decision.detail).toContain("the payload cannot be read");
  });
});

describe("a decision about any route and event", () => {
  const routes = fc.record({
    ready: fc.boolean(),
    forms: fc.option(fc.subarray(["census", "other"], { minLength: 1 })),
    filter: fc.option(fc.constantFrom("answers.age >= 18", "true", "1 +")),
    mode: fc.constantFrom("async" as const, "sync" as const, "both" as const),
  });
  const plugins = fc.option(
    fc.record({
      events: fc.subarray(["onResponse", "onResponseUpdate"]),
      state: fc.constantFrom("enabled" as const, "disabled" as const, "deregistered" as const),
      sync: fc.option(fc.constant({ url: "http://127.0.0.1:1", deadlineMs: 100 })),
    }),
  );
  const events = fc.record({
    type: fc.constantFrom("onResponse", "onResponseUpdate"),
    formId: fc.option(fc.constantFrom("census", "third")),
  });
  const paths = fc.constantFrom("async" as const, "sync" as const);

  test("is routed only where everything fits, and never reads the payload where that cannot matter", () => {
    fc.assert(
      fc.property(
        routes,
        plugins,
        events,
        paths,
        fc.integer({ min: 10, max: 30 }),
        (route, plugin, event, path, age) => {
          let reads = 0;
          const data = () => {
            reads += 1;
            return { answers: { age } };
          };
          const routed = decided({ route, plugin, event, data }, path) === "routed";
          const registered = plugin !== null && plugin.state !== "deregistered" && plugin.events.includes(event.type);
          const onPath = path === "async" ? route.mode !== "sync" : route.mode !== "async" && plugin?.sync !== null;
          const onForm = route.forms === null || (event.formId !== null && route.forms.includes(event.formId));
          const awake = path === "async" || plugin?.state === "enabled";
          const before = registered && onPath && onForm && route.ready && awake;
          const filtered = route.filter === null || route.filter === "true" || (route.filter !== "1 +" && age >= 18);
          expect(routed).toBe(before && filtered);
          expect(reads).toBe(before && route.filter !== null && route.filter !== "1 +" ? 1 : 0);
        },
      ),
    );
  });
});
