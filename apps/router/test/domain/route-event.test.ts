import { describe, expect, test } from "@jest/globals";
import type { EventAttributes, PluginEntry, TeamRoute } from "@plugboard/contract";
import { chooseLane } from "@plugboard/routing-table";
import fc from "fast-check";
import { routeEvent } from "../../src/domain/route-event.ts";

const event: EventAttributes = {
  id: "e",
  source: "core",
  type: "onResponse",
  teamId: "team",
  formId: "form",
  responseId: "r",
  revision: 1,
  time: null,
  priority: null,
};
const plugin = (more: Partial<PluginEntry> = {}): PluginEntry => ({
  v: 7,
  events: ["onResponse"],
  priorityEvents: [],
  sync: null,
  state: "enabled",
  ...more,
});
const route = (id: string, more: Partial<TeamRoute> = {}): TeamRoute => ({
  id,
  ready: true,
  forms: null,
  filter: null,
  mode: "async",
  onFailure: "open",
  quota: null,
  ...more,
});

describe("routing an event", () => {
  test("an unknown team and one with nothing enabled are told apart", () => {
    expect(routeEvent(event, () => ({}), null)).toEqual({ kind: "nobody", reason: "unknown-team" });
    const empty = { team: { v: 1, plugins: [] }, plugins: new Map() };
    expect(routeEvent(event, () => ({}), empty)).toEqual({ kind: "nobody", reason: "disabled" });
  });

  test("each plugin is decided on its own, with the versions that decided", () => {
    const plugins = new Map([
      ["gets", plugin()],
      ["other-event", plugin({ events: ["onFormCreation"] })],
      ["bad-filter", plugin({ v: 9 })],
      ["resting", plugin({ state: "disabled" })],
    ]);
    const routes = [
      route("gets"),
      route("other-event"),
      route("bad-filter", { filter: "data.missing > 1" }),
      route("resting"),
      route("gone"),
    ];
    const routing = routeEvent(event, () => ({}), { team: { v: 3, plugins: routes }, plugins });
    expect(routing).toMatchObject({
      kind: "team",
      outcomes: [
        { kind: "copy", plugin: "gets", lane: "live", overQuota: false },
        { kind: "unmatched", plugin: "other-event", reason: "not-subscribed" },
        { kind: "filter-error", plugin: "bad-filter" },
        { kind: "copy", plugin: "resting" },
        { kind: "unmatched", plugin: "gone", reason: "deregistered" },
      ],
    });
  });

  test("a copy takes the lane it asks for, and the bulk lane when its team is over its quota", () => {
    const limit = { eventsPerSecond: 1, burst: 1 };
    const one = fc.record({
      priority: fc.constantFrom(null, "urgent" as const, "bulk" as const),
      urgent: fc.boolean(),
      limited: fc.boolean(),
      admits: fc.boolean(),
    });
    fc.assert(
      fc.property(one, ({ priority, urgent, limited, admits }) => {
        const asked: unknown[] = [];
        const quotas = { admits: (...of: unknown[]) => asked.push(of) > 0 && admits };
        const entry = plugin({ priorityEvents: urgent ? ["onResponse"] : [] });
        const resolved = {
          team: { v: 1, plugins: [route("p", { quota: limited ? limit : null })] },
          plugins: new Map([["p", entry]]),
        };
        const routing = routeEvent({ ...event, priority }, () => ({}), resolved, quotas);
        const chosen = chooseLane({ ...event, priority }, entry);
        const counts = limited && chosen !== "bulk";
        // An unlimited route, and history, ask for nothing.
        expect(asked).toEqual(counts ? [["team", "p", limit]] : []);
        const overQuota = counts && !admits;
        const lane = overQuota ? "bulk" : chosen;
        expect(routing).toMatchObject({ kind: "team", outcomes: [{ kind: "copy", lane, overQuota }] });
      }),
    );
  });

  test("what is not routed uses nothing of a quota up", () => {
    const quotas = {
      admits: () => {
        throw new Error("the quota was asked");
      },
    };
    const limited = route("p", { quota: { eventsPerSecond: 1, burst: 1 }, filter: "false" });
    const resolved = { team: { v: 1, plugins: [limited] }, plugins: new Map([["p", plugin()]]) };
    const routing = routeEvent(event, () => ({}), resolved, quotas);
    expect(routing).toMatchObject({ outcomes: [{ kind: "unmatched", reason: "filter" }] });
  });

  test("whatever is enabled: one outcome per plugin, in order, and no payload is parsed without a filter", () => {
    const one = fc.record({
      ready: fc.boolean(),
      mode: fc.constantFrom("async" as const, "sync" as const, "both" as const),
      forms: fc.constantFrom<string[] | null>(null, ["form"], ["another"]),
      state: fc.constantFrom("enabled" as const, "disabled" as const, "deregistered" as const),
      subscribed: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 30 }), (all) => {
        const routes = all.map(({ ready, mode, forms }, index) => route(`p-${index}`, { ready, mode, forms }));
        const plugins = new Map(
          all.map(({ state, subscribed }, index) => [
            `p-${index}`,
            plugin({ state, events: subscribed ? ["onResponse"] : [] }),
          ]),
        );
        const unread = () => {
          throw new Error("the payload was parsed");
        };
        const routing = routeEvent(event, unread, { team: { v: 1, plugins: routes }, plugins });
        if (routing.kind !== "team") throw new Error("a team with plugins has outcomes");
        expect(routing.outcomes.map((outcome) => outcome.plugin)).toEqual(routes.map(({ id }) => id));
        for (const [index, { ready, mode, forms, state, subscribed }] of all.entries()) {
          const gets =
            ready && mode !== "sync" && !forms?.includes("another") && state !== "deregistered" && subscribed;
          expect(routing.outcomes[index]?.kind === "copy").toBe(gets);
        }
      }),
    );
  });
});
