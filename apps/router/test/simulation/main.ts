import { randomInt } from "node:crypto";
import { Command, InvalidArgumentError } from "commander";
import { MUTATIONS, SMALL_LIMITS } from "./mutations.ts";
import { replaceModules } from "./replace-modules.ts";

interface Flags {
  readonly schedules: number;
  readonly seed: number;
  readonly fault: readonly string[];
  readonly mutation?: string;
  readonly trace?: boolean;
}

const say = (line: string) => void process.stdout.write(`${line}\n`);

function count(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("must be a whole number above 0");
  return value;
}

const program = new Command("npm run simulate --")
  .description(
    "Runs routers against simulated brokers, Redis, manager and clocks, breaks those in an order that a seed decides, and checks that nothing is lost.",
  )
  .option("--schedules <number>", "how many seeds, one after another", count, 1_000)
  .option("--seed <number>", "the first of them", count, randomInt(1, 2 ** 31))
  .option("--fault <name...>", "only these faults", [])
  .option("--mutation <name>", `breaks a rule in the router's source: ${Object.keys(MUTATIONS).join(", ")}`)
  .option("--trace", "tells what happened also where nothing is wrong")
  .parse();
const flags = program.opts<Flags>();
const { mutation } = flags;
const mutations =
  mutation === undefined ? [] : (MUTATIONS[mutation] ?? program.error(`error: no mutation ${mutation}`));
// Before the router and its Kafka client are imported.
replaceModules([...SMALL_LIMITS, ...mutations]);
const { runSchedules } = await import("./run-schedules.ts");
process.exitCode = await runSchedules({ ...flags, say });
