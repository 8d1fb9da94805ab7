import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "@jest/globals";
import { conformance } from "@plugboard/plugin-sdk/conformance";

const TOKEN = "the-token-of-every-team";

describe("{{ id }} conforms to the plugin protocol", () => {
  conformance(
    { test, beforeAll, afterAll },
    {
      id: "{{ id }}",
      process: {
        command: process.execPath,
        args: ["--conditions=source", join(import.meta.dirname, "..", "src", "main.ts")],
        environment: (given) => given,
      },
      // What its handler may be held to: see "Once, twice, or never" in docs/write-a-plugin.md.
      effect: "at-least-once",
      revisions: "latest",
      // The team's address, as it answers.
      vendor: {
        done: ({ headers }) => ({ status: headers.authorization === `Bearer ${TOKEN}` ? 200 : 401 }),
        notNow: { status: 503 },
        refused: { status: 410 },
      },
      settings: (team, vendorUrl) => ({
        valid: { url: `${vendorUrl}/${team}`, token: TOKEN },
        refused: { url: `${vendorUrl}/${team}`, token: "wrong" },
      }),
    },
  );
});
