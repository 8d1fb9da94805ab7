import { expect, test } from "@jest/globals";
import { compileFilter } from "@plugboard/routing-table";
import { questionnaires } from "../src/feed.ts";
import { demoTeams, submissionOf } from "../src/scenario.ts";

const TEAMS = demoTeams({
  serviceAccount: "{}",
  spreadsheets: {},
  twilio: { accountSid: "AC0", authToken: "t", from: "+15005550006" },
});

test("the data set is the one the demo promises: 54 questionnaires of 1,094 questions", () => {
  const rows = questionnaires();
  expect(rows).toHaveLength(54);
  for (const row of rows) expect(Object.keys(row)).toHaveLength(1_094);
});

test("what the demo expects of a filter is what the router's filter says, on every real row", () => {
  const event = {
    id: "1",
    source: "s",
    type: "onResponse",
    teamId: "t",
    formId: "f",
    responseId: "r",
    revision: 1,
    time: null,
    priority: null,
  };
  let filters = 0;
  for (const team of TEAMS) {
    for (const { enablement, wants } of team.plugins) {
      if (typeof enablement.filter !== "string") continue;
      filters += 1;
      const compiled = compileFilter(enablement.filter);
      if (!compiled.ok) throw new Error(compiled.problem.message);
      for (const [n, row] of questionnaires().entries()) {
        const answers = submissionOf(team, row, n);
        const { kind } = compiled.filter.matches({ event, data: { answers } });
        expect(kind).toBe(wants(answers) ? "match" : "no-match");
      }
    }
  }
  expect(filters).toBeGreaterThan(0);
});
