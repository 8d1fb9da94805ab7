import Table from "cli-table3";
import type { ChaosResult } from "./run-chaos.ts";

/** How many examples of a finding are shown. */
const EXAMPLES_MAX = 5;

/** Everything that must not be, with how often. */
export function violations({ findings, effects, stuck }: ChaosResult): ReadonlyMap<string, readonly string[]> {
  return new Map(
    Object.entries({
      "acknowledged and not stored": findings.neverStored,
      lost: findings.lost,
      "parked and not returned": findings.notReturned,
      "not routed yet": findings.backlog,
      misrouted: findings.misrouted,
      "wrong identity": findings.wrongIdentity,
      "out of order": findings.orderBreaks,
      "duplicates nothing explains": findings.unexplainedDuplicates,
      "wrong dead letters": findings.deadLetterErrors,
      "deliveries without effect": effects.withoutEffect,
      "deliveries not handled yet": effects.backlog,
      "dead letters of a plugin without cause": effects.unexpectedDeadLetters,
      "did not come back": stuck,
    }),
  );
}

/** The run for people: a table of recovery times, a table of counts, and examples of what must not be. */
export function reportOf(result: ChaosResult): string {
  const seconds = (ms: number) => (ms / 1_000).toFixed(1);
  const faults = new Table({
    head: ["fault", "stood s", "written again s", "routed again s (p50)", "(worst)", "longest delay s"],
    style: { head: [], border: [] },
  });
  for (const row of result.recoveries)
    faults.push([
      row.fault,
      ...[row.stoodMs, row.writtenMs, row.routedMsP50, row.routedMsMax, row.longestDelayMs].map(seconds),
    ]);
  const counts = new Table({ style: { head: [], border: [] } });
  counts.push(
    ["delivery", result.delivery],
    ["events in responses", result.events],
    ["copies in plugin topics", result.copies - result.parked],
    ["copies parked for a while", result.parked],
    ["copies repeated, explained", result.findings.duplicates - result.findings.unexplainedDuplicates.length],
    ["overtaken as the rule changed, explained", result.findings.overtakenByRule],
    ["effects of the plugin", result.effects.effects],
    ["dead letters of the plugin", result.effects.deadLetters],
    ["sends the producer made again", result.sendsRepeated],
  );
  const wrong = violations(result);
  for (const [what, items] of wrong) counts.push([what, items.length]);
  const examples = [...wrong]
    .filter(([, items]) => items.length > 0)
    .map(
      ([what, items]) =>
        `${what}:\n${items
          .slice(0, EXAMPLES_MAX)
          .map((item) => `  ${item}\n`)
          .join("")}`,
    );
  return `${faults.toString()}\n${counts.toString()}\n${examples.join("")}`;
}
