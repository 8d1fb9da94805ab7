import { describe, expect, test } from "@jest/globals";
import {
  type SettingsStatus,
  settingsApplied,
  settingsGiven,
  settingsRefused,
  withoutSettings,
} from "../../src/domain/settings-state.ts";

const reasons = [{ path: "/sheet", message: "no such sheet" }];
type Step = "given" | "applied" | "refused";

function after(acceptsEmpty: boolean, steps: readonly Step[]): SettingsStatus {
  return steps.reduce((status, step) => {
    if (step === "given") return settingsGiven(status);
    return step === "applied" ? settingsApplied() : settingsRefused(reasons);
  }, withoutSettings(acceptsEmpty));
}

describe("the state table, row by row", () => {
  test.each<[string, boolean, Step[], SettingsStatus["state"], boolean]>([
    ["enabled, settings required and missing: not routed", false, [], "missing", false],
    ["enabled, no settings needed: routed from the start", true, [], "not-required", true],
    ["first settings pending: not routed yet", false, ["given"], "pending", false],
    ["settings pending where none are needed: still routed", true, ["given"], "pending", true],
    ["applied: routed", false, ["given", "applied"], "applied", true],
    ["refused: not routed", false, ["given", "refused"], "refused", false],
    ["refused where none are needed: not routed", true, ["given", "refused"], "refused", false],
    ["new settings pending: routed with the applied ones", false, ["given", "applied", "given"], "pending", true],
    ["new settings refused: not routed", false, ["given", "applied", "given", "refused"], "refused", false],
    ["corrected settings pending: not routed yet", false, ["given", "refused", "given"], "pending", false],
    ["corrected settings applied: routed", false, ["given", "refused", "given", "applied"], "applied", true],
  ])("%s", (_row, acceptsEmpty, steps, state, ready) => {
    expect(after(acceptsEmpty, steps)).toEqual({ state, ready, reasons: state === "refused" ? reasons : [] });
  });
});

test("a plugin's reasons are cut to what can be stored", () => {
  const { reasons } = settingsRefused([{ path: "/a\u0000", message: `\ud800${"x".repeat(5_000)}` }]);
  expect(reasons).toEqual([{ path: "/a", message: `\ufffd${"x".repeat(999)}` }]);
  expect(settingsRefused(Array(500).fill({ path: "", message: "no" })).reasons).toHaveLength(100);
});
