import { describe, expect, test } from "@jest/globals";
import type { EventAttributes, PluginEntry, TeamRoute } from "@plugboard/contract";
import fc from "fast-check";
import { chooseLane } from "../../src/domain/choose-lane.ts";
import { decideRoute, type RouteQuestion } from "../../src/domain/decide-route.ts";
import { explainRoute, ROUTE_CHECKS } from "../../src/domain/explain-route.ts";

const event: fc.Arbitrary<EventAttributes> = fc.record({
  id: fc.constant("1"),
  source: fc.constant("core"),
  type: fc.constantFrom("onResponse", "onFormCreation"),
  teamId: fc.constant("team-a"),
  formId: fc.constantFrom("census", "intake", null),
  responseId: fc.constant("r-1"),
  revision: fc.constantFrom(1, null),
  time: fc.constant(null),
  priority: fc.constantFrom(null, null, "urgent", "bulk"),
});
const plugin: fc.Arbitrary<PluginEntry> = fc.record({
  v: fc.nat(),
  events: fc.subarray(["onResponse", "onFormCreation"]),
  priorityEvents: fc.subarray(["onResponse"]),
  sync: fc.constantFrom(null, { url: "http://127.0.0.1:1", deadlineMs: 100 }),
  state: fc.constantFrom("enabled", "disabled", "deregistered"),
});
const route: fc.Arbitrary<TeamRoute> = fc.record({
  id: fc.constant("sms"),
  ready: fc.boolean(),
  forms: fc.constantFrom(null, ["census"], ["census", "intake"]),
  filter: fc.constantFrom(null, "answers.age >= 18", "answers.age >", 'has(answers.age) && event.form == "census"'),
  mode: fc.constantFrom("async", "sync", "both"),
  onFailure: fc.constantFrom("open", "closed"),
  quota: fc.constant(null),
});
const payload = fc.oneof(
  fc.record({ answers: fc.record({ age: fc.oneof(fc.nat(40), fc.constant("ten")) }, { requiredKeys: [] }) }),
  fc.constant(null),
);
const question: fc.Arbitrary<RouteQuestion> = fc
  .record({
    route,
    plugin: fc.oneof({ weight: 9, arbitrary: plugin }, { weight: 1, arbitrary: fc.constant(undefined) }),
    event,
    payload,
    path: fc.constantFrom("async" as const, "sync" as const),
  })
  .map(({ payload: value, ...rest }) => ({
    ...rest,
    data: () => {
      if (value === null) throw new SyntaxError("no JSON");
      return value;
    },
  }));

describe("explaining a routing decision", () => {
  test("the decision is decideRoute's, and the first check that failed is its reason", () => {
    fc.assert(
      fc.property(question, (asked) => {
        const { decision, checks } = explainRoute(asked);
        expect(decision).toEqual(decideRoute(asked));
        expect(checks.map(({ check }) => check)).toEqual(ROUTE_CHECKS);
        const failed = checks.find(({ result }) => result === "failed");
        expect(failed?.reason ?? null).toBe(decision.kind === "routed" ? null : decision.reason);
        for (const { result, reason } of checks) expect(reason !== null).toBe(result === "failed");
      }),
      { numRuns: 2_000 },
    );
  });

  test("a route is routed once every failed check is put right, and not before", () => {
    const repairs: Record<string, (asked: RouteQuestion) => RouteQuestion> = {
      registered: (asked) => ({ ...asked, plugin: asked.plugin && { ...asked.plugin, state: "enabled" } }),
      subscribed: (asked) => ({ ...asked, plugin: asked.plugin && { ...asked.plugin, events: [asked.event.type] } }),
      path: (asked) => ({
        ...asked,
        route: { ...asked.route, mode: "both" },
        plugin: asked.plugin && { ...asked.plugin, sync: { url: "http://127.0.0.1:1", deadlineMs: 1 } },
      }),
      form: (asked) => ({ ...asked, route: { ...asked.route, forms: null } }),
      settings: (asked) => ({ ...asked, route: { ...asked.route, ready: true } }),
      maintenance: (asked) => ({ ...asked, plugin: asked.plugin && { ...asked.plugin, state: "enabled" } }),
      filter: (asked) => ({ ...asked, route: { ...asked.route, filter: null } }),
    };
    fc.assert(
      fc.property(
        question.filter(({ plugin: entry }) => entry !== undefined),
        (asked) => {
          const failed = explainRoute(asked).checks.filter(({ result }) => result === "failed");
          const repaired = (names: readonly string[]) =>
            names.reduce((next, name) => repairs[name]?.(next) ?? next, asked);
          const all = failed.map(({ check }) => check);
          expect(decideRoute(repaired(all)).kind).toBe("routed");
          // Maintenance and deregistration are one state of the plugin, so putting one right puts right the other.
          const others = all.filter((name) => name !== "registered" && name !== "maintenance");
          for (const left of others)
            expect(decideRoute(repaired(all.filter((name) => name !== left))).kind).toBe("unmatched");
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("the lane is the one that routers take, for what is routed by Kafka", () => {
    fc.assert(
      fc.property(question, (asked) => {
        const { decision, lane } = explainRoute(asked);
        const routed = decision.kind === "routed" && asked.path === "async" && asked.plugin !== undefined;
        expect(lane).toBe(routed ? chooseLane(asked.event, asked.plugin) : null);
      }),
      { numRuns: 1_000 },
    );
  });

  test("of a plugin nobody knows, nothing more is asked", () => {
    const [asked] = fc.sample(question, 1) as [RouteQuestion];
    const { checks } = explainRoute({ ...asked, plugin: undefined });
    expect(checks.map(({ result }) => result)).toEqual(["failed", ...Array(6).fill("skipped")]);
  });

  test("what the filter says is told with its place, also when an earlier check fails", () => {
    const [asked] = fc.sample(question, 1) as [RouteQuestion];
    const off = { ...asked.route, ready: false, filter: "answers.age >= 18" };
    const { filter } = explainRoute({ ...asked, route: off, data: () => ({ answers: { name: "Amina" } }) });
    expect(filter).toMatchObject({ kind: "problem", missing: "answers.age", present: ["name"], place: { column: 1 } });
  });
});
