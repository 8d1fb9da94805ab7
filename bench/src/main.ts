import { Command } from "commander";
import { measureCost, measureScale, measureTable } from "./comparisons.ts";
import { measureFairness } from "./fairness.ts";
import { measureFreshness } from "./freshness.ts";
import { printed } from "./grid.ts";
import { measureLatency } from "./latency.ts";
import { type CommonOptions, withCommonOptions } from "./options.ts";
import { writeReport } from "./report.ts";
import type { Result } from "./result.ts";
import { saveResult } from "./result-files.ts";
import { measureBacklog } from "./sdk/backlog.ts";
import { measureOverhead, measureSink } from "./sdk/measure-consumers.ts";
import { type SdkOptions, withSdkOptions } from "./sdk/sdk-options.ts";
import { measureSlowTeam } from "./sdk/slow-team.ts";
import { gridsOf } from "./tables.ts";
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

const SDK_MEASUREMENTS = [
  { name: "overhead", description: "what the SDK costs beside a bare consumer", measure: measureOverhead },
  {
    name: "sink",
    description: "one at a time, concurrent and batched calls to a slow third party",
    measure: measureSink,
  },
  {
    name: "slow-team",
    description: "what the other teams notice of one whose third party hangs or refuses",
    measure: measureSlowTeam,
  },
  {
    name: "backlog",
    description: "one team's backlog while others' deliveries come in",
    measure: measureBacklog,
  },
] as const;

const sdk = program.command("sdk").description("plugins written with the SDK");
for (const { name, description, measure } of SDK_MEASUREMENTS)
  withSdkOptions(sdk.command(name).description(description)).action(async (options: SdkOptions) =>
    kept(await measure(options)),
  );

program
  .command("report")
  .description("put the results into the documents that show them, and draw their charts")
  .action(() => {
    for (const { document, names } of writeReport()) say(`${document} shows: ${names.join(", ") || "no result yet"}`);
  });

await program.parseAsync();

async function measured(measure: (options: CommonOptions) => Promise<Result>, options: CommonOptions): Promise<void> {
  kept(await measure(options));
}

function kept(result: Result): void {
  for (const grid of gridsOf(result)) say(printed(grid));
  say(`written to ${saveResult(result)}`);
}
