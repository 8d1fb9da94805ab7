import { readFileSync } from "node:fs";

/** What a handler logs when its time is over and the vendor has not answered. */
export const SPENT = "the vendor did not answer in the handler's time";

/** A handler's time that was over before the vendor had answered. */
export interface SpentDeadline {
  /** When, milliseconds since 1970. */
  readonly at: number;
  /** How long the handler had waited for the vendor, milliseconds. */
  readonly waitedMs: number;
  /** What its signal gave as the reason. */
  readonly reason: string;
}

interface Line {
  readonly time: string;
  readonly msg: string;
  readonly deliveries: readonly string[];
  readonly waitedMs: number;
  readonly reason: string;
}

/** Reads them from the logs of the plugins' processes, by delivery. */
export function spentDeadlinesIn(logs: readonly string[]): ReadonlyMap<string, readonly SpentDeadline[]> {
  const spent = new Map<string, SpentDeadline[]>();
  for (const line of logs.flatMap((file) => readFileSync(file, "utf8").split("\n"))) {
    // A process that is killed leaves half a line.
    if (!line.includes(SPENT) || !line.endsWith("}")) continue;
    const { time, deliveries, waitedMs, reason } = JSON.parse(line) as Line;
    for (const id of deliveries) spent.set(id, [...(spent.get(id) ?? []), { at: Date.parse(time), waitedMs, reason }]);
  }
  return spent;
}

/** The SDK's reason of an attempt whose handler's time was over. */
const TIME_OVER = /^no answer within (\d+) ms$/;
/** A process that has to wait for its core is that much later at the vendor than its handler's time begins, milliseconds. */
const BEGUN_LATE_MS = 1_000;

/** Whether a handler's time is what a reason gives as an attempt's end, and was over: it had waited for the vendor for all of it. */
export function tellsOf(reason: string | null, spent: readonly SpentDeadline[]): boolean {
  const [, deadlineMs] = TIME_OVER.exec(reason ?? "") ?? [];
  if (deadlineMs === undefined) return false;
  return spent.some((one) => one.reason === reason && one.waitedMs >= Number(deadlineMs) - BEGUN_LATE_MS);
}
