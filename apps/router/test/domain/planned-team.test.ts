import { describe, expect, test } from "@jest/globals";
import type { PluginEntry, TeamRoute } from "@plugboard/contract";
import { PlannedTeam } from "../../src/domain/planned-team.ts";

const entry = (v: number): PluginEntry => ({
  v,
  events: ["onResponse"],
  priorityEvents: [],
  sync: null,
  state: "enabled",
});
const routeTo = (id: string): TeamRoute => ({
  id,
  ready: true,
  forms: null,
  filter: null,
  mode: "async",
  onFailure: "open",
  quota: null,
});
const resolved = (v: number) => ({
  team: { v, plugins: [routeTo("sms"), routeTo("gone")] },
  plugins: new Map([["sms", entry(7)]]),
});

describe("what is made of a team's entry", () => {
  test("is made once for it, and anew for a changed one", () => {
    const first = resolved(3);
    expect(PlannedTeam.of(first)).toBe(PlannedTeam.of(first));
    expect(PlannedTeam.of(first).routes.map(({ version }) => version)).toEqual(["3.7", "3.0"]);
    expect(PlannedTeam.of(resolved(4)).routes.map(({ version }) => version)).toEqual(["4.7", "4.0"]);
  });

  test("has headers of its own for each plugin and type of event, each made once", () => {
    const [sms, gone] = PlannedTeam.of(resolved(3)).routes;
    const types = ["onResponse", "onFormCreation", "onResponseEdit"];
    const headers = types.map((type) => sms?.headers("red", type));
    expect(new Set(headers).size).toBe(types.length);
    for (const [index, type] of types.entries()) {
      expect(sms?.headers("red", type)).toBe(headers[index]);
      const text = headers[index]?.toString("latin1") ?? "";
      for (const part of ["sms", "3.7", "red", type]) expect(text).toContain(part);
    }
    expect(gone?.headers("red", "onResponse").toString("latin1")).toContain("gone");
  });
});
