import { type Command, InvalidArgumentError, Option } from "commander";
import { PEERS } from "./peers.ts";
import { ENVELOPES, RECORD_KEYS, type WorkloadSpec } from "./workload.ts";

/** The workload: what everything is compared on. */
const DEFAULTS = { seed: 1, records: 1_000_000, teams: 1_000, plugins: 20, fanout: 2, size: 490 } as const;

export interface CommonOptions {
  readonly seed: number;
  readonly records?: number;
  readonly teams?: number;
  readonly active?: number;
  readonly fanout: number;
  readonly size: number;
  readonly envelope: WorkloadSpec["envelope"];
  readonly key: WorkloadSpec["key"];
  readonly routers: number;
  readonly disk: "tmpfs" | "disk";
  readonly delivery: "at-least-once" | "exactly-once" | "both";
  readonly repeats?: number;
  readonly only?: string[];
  readonly name?: string;
  readonly profile?: true;
  readonly rate?: number;
  readonly seconds: number;
}

/** Options that all measurements share; each takes what it needs. */
export function withCommonOptions(command: Command): Command {
  return command
    .option("--seed <number>", "what the workload is made from", wholeNumber(0), DEFAULTS.seed)
    .option("--records <number>", "records of a run (default 1,000,000; fewer where they are large)", wholeNumber(1))
    .option("--teams <number>", "teams in the routing table (default 1,000)", wholeNumber(1))
    .option("--active <number>", "teams that events come from (default: all)", wholeNumber(1))
    .option(
      "--fanout <number>",
      "mean number of plugins per team: 0, 1, 2, 10, 50, 100",
      wholeNumber(0),
      DEFAULTS.fanout,
    )
    .option("--size <bytes>", "a record's value: 200, 490, 2048, 27648, 921600", wholeNumber(150), DEFAULTS.size)
    .addOption(new Option("--envelope <kind>", "form of the events").choices(ENVELOPES).default("flat"))
    .addOption(new Option("--key <kind>", "what records are keyed by").choices(RECORD_KEYS).default("response"))
    .option("--routers <number>", "instances of each router", wholeNumber(1), 1)
    .addOption(new Option("--disk <kind>", "where the broker's data are").choices(["tmpfs", "disk"]).default("tmpfs"))
    .addOption(
      new Option("--delivery <guarantee>", "only routers of this guarantee")
        .choices(["at-least-once", "exactly-once", "both"])
        .default("both"),
    )
    .option("--repeats <number>", "how often each router runs (default 3; fairness: 5)", wholeNumber(1))
    .addOption(new Option("--only <peers...>", "only these routers").choices(["direct", ...PEERS.map(({ id }) => id)]))
    .option("--name <name>", "name of the result; one beginning with trial- is not kept in the repository")
    .option(
      "--rate <number>",
      "records per second of an open loop (default 2,000; fairness: 70 % of what the router is found to take)",
      wholeNumber(1),
    )
    .option("--seconds <number>", "measured seconds of an open loop", wholeNumber(1), 30)
    .option("--profile", "profile Plugboard's router and print where its time goes");
}

/** Runs of each. */
export function repeatsOf({ repeats }: CommonOptions, usual = 3): number {
  return repeats ?? usual;
}

/** Records per second of an open loop. */
export function rateOf({ rate }: CommonOptions): number {
  return rate ?? 2_000;
}

export function workloadSpec(options: CommonOptions, over: Partial<WorkloadSpec> = {}): WorkloadSpec {
  const teams = over.teams ?? options.teams ?? DEFAULTS.teams;
  const fanout = over.fanout ?? options.fanout;
  return {
    seed: options.seed,
    records: options.records ?? DEFAULTS.records,
    teams,
    active: options.active ?? teams,
    plugins: Math.max(DEFAULTS.plugins, fanout > 10 ? 100 : fanout),
    fanout,
    size: options.size,
    envelope: options.envelope,
    key: options.key,
    ...over,
  };
}

/** A result of fewer records or repeats than meant, or of what was asked for by options, is a trial unless it is named. */
export function resultName(measurement: string, options: CommonOptions, usualRepeats = 3): string {
  if (options.name !== undefined) return options.name;
  const full =
    options.records === undefined &&
    repeatsOf(options, usualRepeats) >= usualRepeats &&
    options.only === undefined &&
    options.seconds >= 30;
  return full ? measurement : `trial-${measurement}`;
}

/** Of an option: a whole number that is not less than this. @throws InvalidArgumentError for any other text. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,9}$/.test(text) || value < least)
      throw new InvalidArgumentError(`a whole number from ${least} to 999999999 is needed.`);
    return value;
  };
}
