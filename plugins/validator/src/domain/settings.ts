import { EXPRESSION_LENGTH_MAX } from "@plugboard/rules";
import { z } from "zod";

/** Rules per team: bounds the work of one response and the flags of one answer (the contract takes 100). */
const RULES_MAX = 100;

const expression = (description: string) => z.string().min(1).max(EXPRESSION_LENGTH_MAX).meta({ description });

/** One rule. Its lengths are those that a flag may have. */
export const ruleSchema = z.strictObject({
  id: z.string().min(1).max(128).meta({ description: "Names the rule in flags; unique among the team's rules." }),
  form: z.string().min(1).max(128).optional().meta({ description: "Only responses of this form; all when absent." }),
  when: expression("CEL: the rule applies only where this is true.").optional(),
  check: expression("CEL: must be true of a good response, e.g. answers.monthly_savings <= answers.monthly_income."),
  message: z.string().min(1).max(1_000).meta({ description: "What the collector is told." }),
  fields: z
    .array(z.string().min(1).max(256))
    .max(100)
    .default([])
    .meta({ description: "Ids of the questions it concerns." }),
  required: z.boolean().default(false).meta({
    description: "Every question in `fields` must be answered: otherwise the rule is violated, not skipped.",
  }),
});
export type Rule = z.output<typeof ruleSchema>;

/** What a team configures: `{"rules":[…]}`. */
export const settingsSchema = z.strictObject({ rules: z.array(ruleSchema).min(1).max(RULES_MAX) });
export type ValidatorSettings = z.output<typeof settingsSchema>;
