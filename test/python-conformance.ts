import { join } from "node:path";
import type { PluginDescription } from "@plugboard/plugin-sdk/conformance";
import { projectRoot } from "@plugboard/stack";
import type { PythonWithKafka } from "./python-with-kafka.ts";

/** At this rate an answer of 2 counts 1: a response's total is how often its effect happened. */
const RATE = { status: 200, body: JSON.stringify({ rate: 0.5 }) };
const NO_SUCH_CURRENCY = "XXX";

/** examples/python-plugin as the conformance suite has to know it. @param directory for its database. */
export function totalsDescription(python: PythonWithKafka | null, directory: string): PluginDescription {
  const currencies = new Map<string, string>();
  /** Each team has a currency of its own: the rate service is asked for nothing else. */
  const currencyOf = (team: string) => {
    const index = [...currencies.keys()].indexOf(team);
    const number = index < 0 ? currencies.size : index;
    const currency = `P${String.fromCharCode(65 + Math.floor(number / 26), 65 + (number % 26))}`;
    currencies.set(team, currency);
    return currency;
  };
  return {
    id: "totals",
    process: {
      command: python?.command ?? "",
      args: ["-B", "-m", "totals"],
      cwd: join(projectRoot(), "examples", "python-plugin"),
      environment: (given, vendorUrl) => ({
        ...given,
        ...python?.env,
        TOTALS_DATABASE: join(directory, "conformance.sqlite3"),
        TOTALS_RATES_URL: vendorUrl,
        TOTALS_COMMIT_EVERY_MS: "100",
      }),
    },
    effect: "exactly-once",
    revisions: "latest",
    vendor: {
      done: ({ path }) => (path === `/${NO_SUCH_CURRENCY}` ? { status: 404 } : RATE),
      notNow: { status: 503 },
      refused: { status: 404 },
      effectsOf: () => [],
      teamOf: ({ path }) => [...currencies].find(([, currency]) => path === `/${currency}`)?.[0] ?? null,
    },
    settings: (team) => ({
      valid: { question: "price", currency: currencyOf(team) },
      refused: { question: "price", currency: NO_SUCH_CURRENCY },
    }),
    event: (response) => ({ form: response, data: { answers: { price: 2 } } }),
    effects: async (response, { action }) => {
      const team = response.replace(/-r\d+$/, "");
      const output = (await action(team, "total", { form: response })) as { total: number } | undefined;
      return output?.total ?? 0;
    },
    notApplicable: { "slow-team": "it handles one delivery at a time, as its README says" },
  };
}
