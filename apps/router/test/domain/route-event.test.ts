import { describe, expect, test } from "@jest/globals";
import type { EventAttributes, PluginEntry, TeamRoute } from "@plugboard/contract";
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
        { kind: "copy", plugin: "gets", routeVersion: "3.7" },
        { kind: "unmatched", plugin: "other-event", reason: "not-subscribed" },
        { kind: "filter-error", plugin: "bad-filter", routeVersion: "3.9" },
        { kind: "copy", plugin: "resting", routeVersion: "3.7" },
        { kind: "unmatched", plugin: "gone", reason: "deregistered" },
      ],
    });
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
