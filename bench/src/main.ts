import { Command } from "commander";
import { measureCost, measureScale, measureTable } from "./comparisons.ts";
import { measureFairness } from "./fairness.ts";
import { measureFreshness } from "./freshness.ts";
import { measureLatency } from "./latency.ts";
import { type CommonOptions, withCommonOptions } from "./options.ts";
import { writeReport } from "./report.ts";
import type { Result } from "./result.ts";
import { saveResult } from "./result-files.ts";
import { gridsOf, printed } from "./tables.ts";
import { measureThroughput, say } from "./throughput.ts";

/** `npm run bench`: measures Plugboard's router beside others, and checks every copy that any of them writes. */
const program = new Command("npm run bench --").description(
  "Measure Plugboard's router and its peers on one broker and one workload, and verify every copy.",
);

const MEASUREMENTS = [
  { name: "throughput", description: "how fast a backlog is routed", measure: measureThroughput },
  { name: "latency", description: "how long a copy takes at a fixed rate, open loop", measure: measureLatency },
  {
    name: "freshness",
    description: "how soon a change of a team's is in force, also when things break",
    measure: measureFreshness,
  },
  {
    name: "fairness",
    description: "what the other teams notice of one that sends fifty times its share",
    measure: measureFairness,
  },
  { name: "cost", description: "how the cost grows with fan-out and size", measure: measureCost },
  { name: "table", description: "a million teams beside a thousand, and cold starts", measure: measureTable },
  { name: "scale", description: "one to four instances on the same cores", measure: measureScale },
] as const;

for (const { name, description, measure } of MEASUREMENTS) {
  const command = program.command(name, { isDefault: name === "throughput" }).description(description);
  withCommonOptions(command).action((options: CommonOptions) => measured(measure, options));
}
withCommonOptions(program.command("all").description("all of these, one after the other")).action(
  async (options: CommonOptions) => {
    for (const { measure } of MEASUREMENTS) await measured(measure, options);
  },
);
program
  .command("report")
  .description("put the results into docs/performance.md and draw their charts")
  .action(() => say(`docs/performance.md shows: ${writeReport().join(", ") || "no result yet"}`));

await program.parseAsync();

async function measured(measure: (options: CommonOptions) => Promise<Result>, options: CommonOptions): Promise<void> {
  const result = await measure(options);
  for (const grid of gridsOf(result)) say(printed(grid));
  say(`written to ${saveResult(result)}`);
}
