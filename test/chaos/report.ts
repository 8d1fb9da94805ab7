import Table from "cli-table3";
import { type Figure, summarize } from "./recovery.ts";
import type { ChaosResult } from "./run-chaos.ts";

/** How many examples of a finding are shown. */
const EXAMPLES_MAX = 5;

/** Everything that must not be, with how often. */
export function violations({
  findings,
  effects,
  stuck,
}: Pick<ChaosResult, "findings" | "effects" | "stuck">): ReadonlyMap<string, readonly string[]> {
  return new Map(
    Object.entries({
      "acknowledged and not stored": findings.neverStored,
      lost: findings.lost,
      "parked and not returned": findings.notReturned,
      "not routed yet": findings.backlog,
      misrouted: findings.misrouted,
      "in a wrong lane": findings.wrongLane,
      "wrong identity": findings.wrongIdentity,
      "out of order": findings.orderBreaks,
      "duplicates nothing explains": findings.unexplainedDuplicates,
      "repeated beyond the bytes in flight": findings.repeatedTooMuch,
      "wrong dead letters": findings.deadLetterErrors,
      "deliveries without effect": effects.withoutEffect,
      "deliveries not handled yet": effects.backlog,
      "dead letters of a plugin without cause": effects.unexpectedDeadLetters,
      "did not come back": stuck,
    }),
  );
}

/** Heads of the columns of recovery, in seconds; docs/guarantees.md says what they mean. */
const COLUMNS: readonly (readonly [Figure, string])[] = [
  ["clusterMs", "the cluster's own"],
  ["pausedMs", "longest pause"],
  ["beyondMs", "beyond the cluster's"],
  ["caughtUpMs", "caught up"],
  ["parkedBackMs", "parked back after heal"],
];

/** The run for people: tables of recovery times and of counts, and examples of what must not be. */
export function reportOf(result: ChaosResult): string {
  const seconds = (ms: number) => (ms / 1_000).toFixed(1);
  const plain = { head: [], border: [] };
  const faults = new Table({
    head: ["fault, s: p50 / max", "times", ...COLUMNS.map(([, title]) => title)],
    style: plain,
  });
  for (const { fault, times, figures } of summarize(result.recoveries))
    faults.push([
      fault,
      times,
      ...COLUMNS.map(([name]) => {
        const [p50, max] = figures[name] ?? [];
        return p50 === undefined || max === undefined ? "" : `${seconds(p50)} / ${seconds(max)}`;
      }),
    ]);
  const counts = new Table({ style: { head: [], border: [] } });
  counts.push(
    ["delivery", result.delivery],
    ["events in responses", result.events],
    ["copies in plugin topics: live", result.copies.live],
    ["priority", result.copies.priority],
    ["bulk", result.copies.bulk],
    ["copies parked for a while", result.parked],
    ["copies repeated, explained", result.findings.duplicates - result.findings.unexplainedDuplicates.length],
    ["bytes of events repeated after one cause, at most", result.findings.repeatedBytesMax],
    ["overtaken as rule or quota changed, explained", result.findings.overtakenByRule],
    ["effects of the plugin", result.effects.effects],
    ["dead letters of the plugin", result.effects.deadLetters],
    ["sends the producer made again", result.sendsRepeated],
  );
  for (const { fault, before, during } of result.bystanders)
    counts.push([
      `${fault}: the others' ms p50, p99 before; during`,
      `${before.p50}, ${before.p99}; ${during.p50}, ${during.p99} (${(during.p99 / Math.max(1, before.p99)).toFixed(2)}×)`,
    ]);
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
  for (const what of result.notDone) examples.push(`not injected or not healed as meant: ${what}\n`);
  return `${faults.toString()}\n${counts.toString()}\n${examples.join("")}`;
}
