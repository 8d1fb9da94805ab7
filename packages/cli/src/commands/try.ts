import { type TrialRequest, type TrialResponse, trialResponseSchema } from "@plugboard/contract";
import { type Command, Option } from "commander";
import { contextOf } from "../command-context.ts";
import { EXIT } from "../exit-code.ts";
import { readJson } from "../json-input.ts";
import { type Cell, cell, colored, table } from "../output.ts";
import { plainText } from "../plain-text.ts";
import { type NarrowingOptions, narrowing, withNarrowing } from "./enable.ts";

interface TryOptions extends NarrowingOptions {
  readonly team: string;
  readonly event: string;
  readonly path: "async" | "sync";
  readonly enabled?: true;
}

/** `plugboard try <plugin> --team <team> --event <file>`: 0 when it would be routed, 1 when not. */
export function tryCommand(program: Command): void {
  const command = program
    .command("try <plugin>")
    .description("would this event be routed to a team's plugin, and if not, why? (exit status 1 when not)")
    .requiredOption("--team <team>", "whose")
    .requiredOption("--event <file>", "the event, or a record that `tail --json` printed; - for standard input")
    .addOption(
      new Option("--path <path>", "by Kafka, or inside the submit").choices(["async", "sync"]).default("async"),
    )
    .option("--enabled", "as if the plugin were enabled");
  withNarrowing(command)
    .addHelpText(
      "after",
      "\nWhat narrows (--forms, --filter, …) is tried in the place of what is saved, and is not saved.",
    )
    .action(async (plugin: string, options: TryOptions, own: Command) => {
      const { manager, addresses, output } = contextOf(own);
      const answer = await manager.call({
        method: "POST",
        path: `/v1/teams/${encodeURIComponent(options.team)}/plugins/${encodeURIComponent(plugin)}/try`,
        token: addresses.teamToken(options.team),
        body: requestOf(await readJson(options.event), options),
        answer: trialResponseSchema,
      });
      output.result(answer, () => trialText(answer));
      if (!answer.routed) process.exitCode = EXIT.failed;
    });
}

/** @param sample an event; or a line of `tail --json`, which has the record's headers and value beside its offset. */
export function requestOf(sample: unknown, options: Omit<TryOptions, "team" | "event">): TrialRequest {
  const draft = { ...narrowing(options), ...(options.enabled && { enabled: true }) };
  const printed = sample as { topic?: unknown; offset?: unknown; headers?: Record<string, string>; value?: unknown };
  const isRecord = typeof printed?.topic === "string" && typeof printed.offset === "string";
  return {
    ...(isRecord ? { record: { headers: printed.headers ?? {}, value: printed.value } } : { event: sample }),
    ...(Object.keys(draft).length > 0 && { draft }),
    path: options.path,
  };
}

const RESULT: Readonly<Record<TrialResponse["checks"][number]["result"], Cell>> = {
  passed: { shown: colored("good", "yes") },
  failed: { shown: colored("bad", "no") },
  skipped: { shown: colored("dim", "-") },
};

/** The verdict, every check, and the place in the filter. */
function trialText(answer: TrialResponse): string {
  const { filter, draft, table: versions } = answer;
  const excerpt = filter?.problem?.excerpt?.split("\n").map((line) => `  ${plainText(line)}`) ?? [];
  return [
    `${answer.routed ? colored("good", "routed") : colored("bad", answer.outcome)}${answer.reason === null ? "" : ` (${answer.reason})`}`,
    plainText(answer.explanation),
    "",
    table(
      ["CHECK", "", ""],
      answer.checks.map(({ check, result, explanation }) => [check, RESULT[result], explanation]),
    ),
    ...(excerpt.length > 0 ? ["", ...excerpt] : []),
    ...(draft?.problems ?? []).map(
      ({ path, message }) => `${cell("bad", "cannot be saved").shown}: ${plainText(`${path}: ${message}`)}`,
    ),
    "",
    colored(
      "dim",
      `Decided by version ${versions.team ?? "-"} of the team's routes and ${versions.plugin ?? "-"} of the plugin's. ${versions.explanation}`,
    ),
  ].join("\n");
}
