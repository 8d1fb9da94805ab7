import { secret } from "@plugboard/plugin-sdk";
import { z } from "zod";

/** Rules of one team, all checked for every response and sent at once: this bounds both. */
const RULES_MAX = 10;
const TEMPLATE_LENGTH_MAX = 10_000;

const ruleSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]{1,64}$/, 'a rule id is 1 to 64 of a-z, 0-9 and "-"'),
  form: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .meta({ description: "Only responses of this form; all forms if left out." }),
  events: z
    .array(z.enum(["onResponse", "onResponseUpdate"]))
    .min(1)
    .default(["onResponse"])
    .meta({ description: "When to send; at most one text per response and rule, whatever is named here." }),
  to: z.string().min(1).max(256).meta({ description: "Id of the answer that holds the phone number." }),
  template: z.string().min(1).max(TEMPLATE_LENGTH_MAX).meta({
    description:
      "Liquid. Knows `answers`, `response.id`, `response.form`, `response.revision`, `response.collector`, `team`.",
  }),
  defaultCountry: z
    .string()
    .regex(/^[A-Z]{2}$/, "a country is two capital letters, such as KE")
    .optional()
    .meta({ description: "Country of numbers written without +." }),
});

/** What a team sets for texts. */
export const settingsSchema = z.strictObject({
  accountSid: z.string().regex(/^AC[0-9a-f]{32}$/, "a Twilio account SID is AC and 32 hex digits"),
  authToken: secret(z.string().min(1).max(256)),
  from: z.string().min(1).max(34).meta({
    description:
      "The sender: a number in E.164 (+254…), a short code, an alphanumeric sender, or a messaging service (MG…).",
  }),
  rules: z.array(ruleSchema).min(1).max(RULES_MAX),
});

export type SmsSettings = z.output<typeof settingsSchema>;
export type SmsRule = SmsSettings["rules"][number];
