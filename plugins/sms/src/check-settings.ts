import type { ProblemItem } from "@plugboard/contract";
import { templateProblem } from "./message-template.ts";
import { isCountry, isSender } from "./phone-number.ts";
import type { SmsSettings } from "./settings.ts";

/** Every problem in settings that fit the schema, each with its place. */
export function checkSettings({ from, rules }: SmsSettings): ProblemItem[] {
  const problems: ProblemItem[] = [];
  if (!isSender(from)) {
    problems.push({
      path: "/from",
      message: "must be a number in E.164 (+254712345678), a short code, an alphanumeric sender or a messaging service",
    });
  }
  rules.forEach((rule, index) => {
    const place = `/rules/${index}`;
    const template = templateProblem(rule.template);
    if (template !== null) problems.push({ path: `${place}/template`, message: template });
    if (rule.defaultCountry !== undefined && !isCountry(rule.defaultCountry)) {
      problems.push({ path: `${place}/defaultCountry`, message: `${rule.defaultCountry} is not a known country` });
    }
    if (rules.findIndex(({ id }) => id === rule.id) < index) {
      problems.push({ path: `${place}/id`, message: `"${rule.id}" is used twice; a rule's id tells its texts apart` });
    }
  });
  return problems;
}
