import { randomInt } from "node:crypto";
import { availableParallelism } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { MUTATIONS, SMALL_LIMITS } from "./mutations.ts";
import { replaceModules } from "./replace-modules.ts";

interface Flags {
  readonly schedules: number;
  readonly seed: number;
  readonly fault: readonly string[];
  readonly delivery?: "at-least-once" | "exactly-once";
  readonly mutation?: string;
  readonly processes: number;
  readonly trace?: boolean;
}

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
  .addOption(new Option("--delivery <name>", "only this one").choices(["at-least-once", "exactly-once"]))
  .addOption(new Option("--mutation <name>", "breaks a rule in the router's source").choices(Object.keys(MUTATIONS)))
  .option("--processes <number>", "how many run at a time", count, availableParallelism())
  .option("--trace", "tells what happened also where nothing is wrong");

/** What the process was started with. */
export const flags: Flags = program.parse().opts<Flags>();

/** To be called before the router and its Kafka client are imported. */
export function replaceSources(): void {
  // Kafka's client makes errors by the thousand; whoever looks for a cause has the trace.
  if (flags.trace !== true) Error.stackTraceLimit = 0;
  const mutations = flags.mutation === undefined ? [] : (MUTATIONS[flags.mutation] ?? []);
  replaceModules([...SMALL_LIMITS, ...mutations]);
}
