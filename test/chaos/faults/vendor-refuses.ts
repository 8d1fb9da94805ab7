import { TROUBLED_TEAM } from "../teams.ts";
import type { Fault } from "./fault.ts";

export const vendorRefuses: Fault = {
  name: "vendor-refuses",
  what: "a plugin's vendor refuses one team's calls until they are dead letters",
  touches: ["plugin"],
  standsMs: 12_000,
  inject: async ({ sink }) => {
    sink.treat(TROUBLED_TEAM, "refuses");
    return async () => sink.treat(TROUBLED_TEAM, "answers");
  },
};
