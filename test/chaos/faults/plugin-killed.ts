import type { Fault } from "./fault.ts";

export const pluginKilled: Fault = {
  name: "plugin-killed",
  what: "kill -9 of a plugin for 5 s",
  touches: ["plugin"],
  standsMs: 5_000,
  short: true,
  inject: async ({ plugins }) => {
    await Promise.all(plugins.map((plugin) => plugin.end("SIGKILL")));
    return async () => void (await Promise.all(plugins.map((plugin) => plugin.start())));
  },
};
