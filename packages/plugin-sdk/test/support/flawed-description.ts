import { join } from "node:path";
import type { PluginDescription } from "../../src/conformance/index.ts";

/** flawed-plugin.ts as the conformance suite has to know it. @param flaws of it, with commas. */
export function flawedDescription(flaws: string): PluginDescription {
  return {
    id: "flawed",
    process: {
      command: process.execPath,
      args: ["--conditions=source", join(import.meta.dirname, "flawed-plugin.ts")],
      environment: (given) => ({ ...given, FLAWS: flaws }),
    },
    effect: "at-least-once",
    revisions: "latest",
    vendor: { done: () => ({ status: 200 }), notNow: { status: 503 }, refused: { status: 410 } },
    settings: (_team, url) => ({
      valid: { url, token: "a secret of the team", color: "red" },
      refused: { url, token: "a secret of the team", color: "none" },
    }),
  };
}
