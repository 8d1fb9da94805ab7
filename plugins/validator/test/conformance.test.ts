import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "@jest/globals";
import { conformance } from "@plugboard/plugin-sdk/conformance";

const rule = { id: "savings", check: "answers.savings <= answers.income", message: "more saved than earned" };
const CALLS_NOBODY = "its effect is a record of Kafka's: it calls nobody who could";

describe("the validator conforms to the protocol", () => {
  conformance(
    { test, beforeAll, afterAll },
    {
      id: "validator",
      process: {
        command: process.execPath,
        args: ["--conditions=source", join(import.meta.dirname, "..", "src", "main.ts")],
        environment: (given) => given,
      },
      effect: "at-least-once",
      revisions: "latest",
      vendor: null,
      settings: () => ({
        valid: { rules: [rule] },
        refused: { rules: [{ ...rule, check: "answers.savings >" }] },
      }),
      event: () => ({ data: { answers: { savings: 3, income: 2 } } }),
      rejected: () => ({ response: null }),
      // A flag is the same for the core when its id is.
      effects: async (response, { commands }) => new Set((await commands(response)).map(({ id }) => id)).size,
      notApplicable: {
        retry: `${CALLS_NOBODY} say "not now"`,
        "slow-team": `${CALLS_NOBODY} be slow`,
        "crash-after-effect": `${CALLS_NOBODY} hold the answer`,
      },
    },
  );
});
