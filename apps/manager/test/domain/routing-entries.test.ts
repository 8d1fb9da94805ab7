import { describe, expect, test } from "@jest/globals";
import { teamEntrySchema } from "@plugboard/contract";
import fc from "fast-check";
import type { TeamPluginRecord } from "../../src/domain/records.ts";
import { buildTeamEntry, nextVersion } from "../../src/domain/routing-entries.ts";

const row: fc.Arbitrary<TeamPluginRecord> = fc.record({
  teamId: fc.constant("red"),
  pluginId: fc.stringMatching(/^[a-z]{1,6}$/),
  enabled: fc.boolean(),
  enabledVersion: fc.nat(),
  forms: fc.option(fc.array(fc.stringMatching(/^f\d$/), { minLength: 1, maxLength: 3 })),
  filter: fc.option(fc.constant("true")),
  mode: fc.constantFrom("async", "sync", "both"),
  onFailure: fc.constantFrom("open", "closed"),
  settings: fc.constant(null),
  settingsVersion: fc.nat(),
  state: fc.constantFrom("not-required", "missing", "pending", "applied", "refused"),
  reasons: fc.constant([]),
  ready: fc.boolean(),
  quota: fc.option(fc.constant({ eventsPerSecond: 7, burst: 9 })),
});
const rows = fc.uniqueArray(row, { selector: ({ pluginId }) => pluginId, maxLength: 6 });
const quota = fc.option(fc.constant({ eventsPerSecond: 1, burst: 2 }));

describe("a team's entry", () => {
  test("lists the enabled plugins exactly, ready or not, in whatever order the rows come", () => {
    fc.assert(
      fc.property(rows, quota, fc.infiniteStream(fc.double()), (given, teamQuota, random) => {
        const entry = buildTeamEntry(given, teamQuota);
        expect(teamEntrySchema.parse({ v: 1, ...entry })).toEqual({ v: 1, ...entry });
        expect(entry.plugins.map(({ id, ready }) => [id, ready])).toEqual(
          given
            .filter(({ enabled }) => enabled)
            .map(({ pluginId, ready }) => [pluginId, ready])
            .toSorted(([one], [other]) => (String(one) < String(other) ? -1 : 1)),
        );
        const own = new Map(given.map((one) => [one.pluginId, one.quota]));
        for (const route of entry.plugins) expect(route.quota).toEqual(own.get(route.id) ?? teamQuota);
        const shuffled = given.toSorted(() => (random.next().value ?? 0) - 0.5);
        expect(buildTeamEntry(shuffled, teamQuota)).toEqual(entry);
      }),
    );
  });
});

describe("a version", () => {
  test("grows by one when the entry changes, and not otherwise", () => {
    fc.assert(
      fc.property(rows, rows, fc.nat(), (before, after, v) => {
        const entry = buildTeamEntry(before, null);
        const stored = { v, entry: { v, ...entry } };
        expect(nextVersion(stored, entry)).toBeNull();
        const next = nextVersion(stored, buildTeamEntry(after, null));
        const same = JSON.stringify(buildTeamEntry(after, null)) === JSON.stringify(entry);
        expect(next?.v ?? null).toBe(same ? null : v + 1);
      }),
    );
  });

  test("is 1 for the first", () => {
    expect(nextVersion(null, { plugins: [] })).toEqual({ v: 1, plugins: [] });
  });
});
