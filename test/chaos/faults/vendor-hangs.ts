import { TROUBLED_TEAM } from "../teams.ts";
import type { Fault } from "./fault.ts";

export const vendorHangs: Fault = {
  name: "vendor-hangs",
  what: "a plugin's vendor takes one team's calls and never answers",
  touches: ["plugin"],
  standsMs: 15_000,
  inject: async ({ sink }) => {
    sink.treat(TROUBLED_TEAM, "hangs");
    return async () => sink.treat(TROUBLED_TEAM, "answers");
  },
};
