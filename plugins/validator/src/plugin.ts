import { definePlugin, delivered, rejected } from "@plugboard/plugin-sdk";
import { checkRules } from "./domain/check-rules.ts";
import { judge } from "./domain/judge.ts";
import { settingsSchema } from "./domain/settings.ts";

const now = () => performance.now();

/** Business rules over a response's answers: inside the submit, and afterwards, as the team's mode says. */
export const validator = definePlugin({
  metadata: {
    id: "validator",
    name: "Validator",
    description: "Checks every response against the team's rules and sends a wrong one back to its collector.",
    version: "1.0.0",
    events: ["onResponse", "onResponseUpdate"],
  },
  settings: settingsSchema,
  validateSettings: async ({ rules }) => checkRules(rules),

  execute: {
    deadlineMs: 500,
    run: async ({ event, data }, { settings }) => {
      const { flags, skipped, checked } = judge(settings.rules, event, data, { now });
      return { outcome: flags.length === 0 ? "passed" : "flagged", flags: [...flags], output: { checked, skipped } };
    },
  },

  onEvent: async ({ event, data }, { settings, flag, logger }) => {
    const { flags, skipped } = judge(settings.rules, event, data, { now });
    if (skipped.length > 0) logger.debug({ responseId: event.responseId, skipped }, "rules skipped");
    if (flags.length === 0) return delivered();
    if (event.responseId === null) return rejected("the event names no response that could be sent back");
    await flag(event, flags);
    return delivered();
  },
});
