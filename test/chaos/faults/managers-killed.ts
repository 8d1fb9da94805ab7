import type { Installation } from "../installation.ts";
import type { Fault } from "./fault.ts";

export const managersKilled: Fault<Pick<Installation, "managers">> = {
  name: "managers-killed",
  what: "kill -9 of both managers for 8 s",
  touches: ["managers"],
  standsMs: 8_000,
  short: true,
  inject: async ({ managers }) => {
    await Promise.all(managers.map((manager) => manager.end("SIGKILL")));
    return async () => void (await Promise.all(managers.map((manager) => manager.start())));
  },
};
