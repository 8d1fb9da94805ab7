import { type Command, Option } from "commander";
import { type CommonOptions, wholeNumber } from "../options.ts";
import { Workload, type WorkloadSpec } from "../workload.ts";

/** Options of the SDK's measurements; each takes what it needs. */
export interface SdkOptions extends Pick<CommonOptions, "seed" | "disk" | "repeats" | "name" | "records" | "profile"> {
  readonly teams?: number;
  readonly only?: string[];
  readonly seconds?: number;
  readonly rate?: number;
}

/** Bytes of a delivery's value. */
const SIZE = 490;

export function withSdkOptions(command: Command): Command {
  return command
    .option("--seed <number>", "what the workload is made from", wholeNumber(0), 1)
    .option("--records <number>", "deliveries of the usual backlog", wholeNumber(100))
    .option("--teams <number>", "teams that deliveries are of", wholeNumber(1))
    .option("--repeats <number>", "how often each is run", wholeNumber(1))
    .option("--only <ids...>", "only these consumers, phases (quiet, hangs, refuses) or lanes")
    .option("--seconds <number>", "measured seconds of an open loop", wholeNumber(1))
    .option("--rate <number>", "deliveries per second of an open loop", wholeNumber(1))
    .addOption(new Option("--disk <kind>", "where the broker's data are").choices(["tmpfs", "disk"]).default("tmpfs"))
    .option("--name <name>", "name of the result; one beginning with trial- is not kept in the repository")
    .option("--profile", "profile the plugins and print where their time goes");
}

/** Deliveries of flat JSON events, keyed by response, of teams that all send alike but for a noisy one. */
export function deliveryWorkload(
  { seed }: SdkOptions,
  records: number,
  teams: number,
  noisy?: WorkloadSpec["noisy"],
): Workload {
  return new Workload({
    seed,
    records,
    teams,
    active: teams,
    plugins: 1,
    fanout: 1,
    size: SIZE,
    envelope: "flat",
    key: "response",
    ...(noisy !== undefined && { noisy }),
  });
}

/** A result of less than what is meant, or of what was asked for by options, is a trial unless it is named. */
export function sdkResultName(measurement: string, options: SdkOptions, usualRepeats: number): string {
  if (options.name !== undefined) return options.name;
  const { records, teams, only, seconds, rate, repeats = usualRepeats } = options;
  const asMeant = [records, teams, only, seconds, rate].every((given) => given === undefined);
  return asMeant && repeats >= usualRepeats ? `sdk-${measurement}` : `trial-sdk-${measurement}`;
}
