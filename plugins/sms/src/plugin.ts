import { definePlugin, delivered, rejected, retry } from "@plugboard/plugin-sdk";
import { checkSettings } from "./check-settings.ts";
import { CLAIMS_MIGRATION } from "./send-claims.ts";
import { outcomeOf, sendRule } from "./send-rule.ts";
import { settingsSchema } from "./settings.ts";
import { twilio } from "./twilio-resource.ts";

/** A send has 10 s, all rules' at once; the rest is the claims'. */
const HANDLER_DEADLINE_MS = 20_000;

/** A text to the person named in a response, at most once per (team, response, rule). */
export const sms = definePlugin({
  metadata: {
    id: "sms",
    name: "SMS",
    description: "Sends a templated text to the phone number in a response, once.",
    version: "1.0.0",
    events: ["onResponse", "onResponseUpdate"],
  },
  settings: settingsSchema,
  resources: { twilio },
  migrations: [CLAIMS_MIGRATION],
  validateSettings: async (settings) => checkSettings(settings),
  // Its own claims, per rule, keep a text from being repeated: a delivery that was cut short may come again.
  redeliver: "safe",
  handlerDeadlineMs: HANDLER_DEADLINE_MS,

  onEvent: async (delivery, context) => {
    const { event } = delivery;
    const rules = context.settings.rules.filter(
      ({ form, events }) => (form === undefined || form === event.formId) && events.some((name) => name === event.type),
    );
    if (rules.length === 0) return delivered();
    const { responseId } = event;
    if (responseId === null) return rejected("the event names no response");
    if (context.signal.aborted) return retry("the plugin is stopping");
    const results = await Promise.all(rules.map((rule) => sendRule(rule, responseId, delivery, context)));
    context.logger.debug({ results: results.map(({ rule, kind }) => ({ rule, kind })) }, "rules done");
    return outcomeOf(results);
  },
});
