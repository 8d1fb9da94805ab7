import { dirname, join } from "node:path";
import type { System } from "./system.ts";

/** What is shown once everything is up: addresses, and a line per main API that can be pasted as it is. */
export function whereToLook(system: System, team: string, form: string, developmentFile: string): string {
  const { manager, core } = system;
  const token = (path: string) => `$(node -p "require('${developmentFile}').tokens.${path}")`;
  const teamAuth = `-H "authorization: Bearer ${token(`teams['${team}']`)}"`;
  const json = `-H "content-type: application/json"`;
  return [
    "Where to look",
    `  the example core     ${core.url}/            forms, responses, flags`,
    `  the manager          ${manager.url}/readyz   ${manager.url}/metrics`,
    ...system.routers.map(({ name, url }) => `  ${name.padEnd(20)} ${url}/readyz   ${url}/metrics`),
    ...[...system.plugins.values()].map(({ name, url }) => `  ${name.padEnd(20)} ${url}/metadata ${url}/metrics`),
    `  addresses, tokens    ${developmentFile}`,
    `  logs                 ${join(dirname(developmentFile), "logs")}`,
    "",
    "Things to try",
    `  curl -s ${manager.url}/v1/teams/${team}/plugins ${teamAuth}`,
    `  curl -s ${manager.url}/v1/plugins -H "authorization: Bearer ${token("admin")}"`,
    `  curl -s -X PUT ${manager.url}/v1/teams/${team}/plugins/google-sheets ${teamAuth} ${json} -d '{"enabled":false}'`,
    `  curl -s -X POST ${core.url}/forms/${form}/submit ${json} -d '{"answers":{"dt_kcal":9000},"collector":"you"}'`,
    `  curl -s "${core.url}/forms/${form}/responses?flagged=true"`,
  ].join("\n");
}
