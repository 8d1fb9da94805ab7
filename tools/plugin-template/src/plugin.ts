import { randomUUID } from "node:crypto";
import { definePlugin, delivered, rejected, retry } from "@plugboard/plugin-sdk";
import { z } from "zod";
import { postJson } from "./post-json.ts";
import { settingsSchema } from "./settings.ts";

/** Posts each response to an address of the team's: replace what it does by what yours does. */
export const plugin = definePlugin({
  metadata: {
    id: "{{ id }}",
    name: "{{ title }}",
    description: "Posts each response to an address of yours.",
    version: "0.1.0",
    events: ["{{ events | join: '", "' }}"],
  },
  settings: settingsSchema,

  // Runs when a team saves settings that fit the schema. What it returns is shown to the team; nothing means applied.
  validateSettings: async (settings, { signal }) => {
    const answer = await postJson(settings, { test: true }, { idempotencyKey: randomUUID(), signal });
    if (answer.status === 401 || answer.status === 403) {
      return [{ path: "/token", message: `is refused by the address with ${answer.status}` }];
    }
    return [];
  },

  // Runs for every delivery. A delivery may come again after a crash, with the same id.
  onEvent: async (delivery, { settings, signal }) => {
    const body = { event: delivery.event, data: delivery.data };
    const answer = await postJson(settings, body, { idempotencyKey: delivery.id, signal });
    if (answer.ok) return delivered();
    const reason = `the address answered ${answer.status}`;
    // Not now, or never: only the first comes again. What is thrown, such as a lost connection, counts as retry.
    return answer.later ? retry(reason) : rejected(reason);
  },

  //{% if sync %}
  // Runs inside a submit, for teams that chose the mode "sync" or "both"; a person is waiting.
  execute: {
    deadlineMs: 1_000,
    run: async ({ data }) => {
      const answers = Object.keys((data.answers ?? {}) as object);
      if (answers.length > 0) return { outcome: "passed" };
      return { outcome: "flagged", flags: [{ rule: "not-empty", message: "Nothing was answered.", fields: [] }] };
    },
  },

  //{% endif %}
  actions: {
    // POST /v1/teams/{team}/plugins/{plugin}/actions/send-test
    "send-test": {
      description: "Posts a text to the address, to see whether it arrives.",
      input: z.object({ text: z.string().max(1_000).default("Hello from Plugboard") }),
      run: async ({ text }, { settings, signal }) => {
        const { status } = await postJson(settings, { text }, { idempotencyKey: randomUUID(), signal });
        return { status };
      },
    },
  },
});
