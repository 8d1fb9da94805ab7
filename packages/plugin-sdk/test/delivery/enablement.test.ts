import { describe, expect, test } from "@jest/globals";
import type { PluginEntry, TeamEntry } from "@plugboard/contract";
import { checkEnablement } from "../../src/delivery/enablement.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const route = {
  id: "p",
  ready: true,
  forms: null,
  filter: null,
  mode: "async",
  onFailure: "open",
  quota: null,
} as const;
const entry: PluginEntry = { v: 1, events: [], priorityEvents: [], sync: null, state: "enabled" };
const delivery = { team: "t", routeVersion: "3.1", routedAt: "2026-01-01T00:00:00Z" };

/** A table that answers these, one after the other, and a clock that counts its sleeps. */
function setting(answers: readonly ({ team: TeamEntry; plugin: PluginEntry } | null)[], now = NOW) {
  let asked = 0;
  let slept = 0;
  const parts = {
    plugin: "p",
    table: {
      known: () => undefined,
      resolve: async () => {
        const answer = answers[Math.min(asked, answers.length - 1)] ?? null;
        asked += 1;
        return new Map([["t", answer && { team: answer.team, plugins: new Map([["p", answer.plugin]]) }]]);
      },
    },
    clock: {
      now: () => now,
      monotonic: () => now,
      sleep: async () => {
        slept += 1;
      },
    },
  };
  return { check: () => checkEnablement(parts, delivery, new AbortController().signal), slept: () => slept };
}

describe("checkEnablement", () => {
  test.each([
    ["enabled", { v: 3, plugins: [route] }],
    ["not-ready", { v: 3, plugins: [{ ...route, ready: false }] }],
    ["disabled", { v: 4, plugins: [{ ...route, id: "another" }] }],
    ["table-behind", { v: 2, plugins: [] }],
  ])("says %s", async (kind, team) => {
    expect(await setting([{ team, plugin: entry }]).check()).toEqual({ kind });
  });

  test("takes a team that nobody knows for one whose table is behind, as long as the routing is recent", async () => {
    expect(await setting([null]).check()).toEqual({ kind: "table-behind" });
    expect(await setting([null], NOW + 120_000).check()).toEqual({ kind: "disabled" });
  });

  test.each(["disabled", "deregistered"] as const)("waits while the plugin is %s", async (state) => {
    const team = { v: 3, plugins: [route] };
    const { check, slept } = setting([
      { team, plugin: { ...entry, state } },
      { team, plugin: { ...entry, state } },
      { team, plugin: entry },
    ]);
    expect(await check()).toEqual({ kind: "enabled" });
    expect(slept()).toBe(2);
  });
});
