import type { Logger, SparseLog } from "@plugboard/runtime";
import type { BatchTraces, RouterMetrics, Sink, Source } from "../domain/ports.ts";
import type { RoutedBatch } from "./route-batch.ts";

/** Where a settled batch is told of. */
export interface Told {
  readonly metrics: RouterMetrics;
  /** Null when nothing is traced. */
  readonly traces: BatchTraces | null;
  readonly logger: Logger;
  /** A core that emits what is no event does so thousands of times: one line a minute says how often. */
  readonly malformedLog: SparseLog;
  readonly now: () => number;
}

/**
 * The one place where a batch is settled: no offset moves before every copy, dead letter and exception record of the
 * batch is acknowledged. Writing begins at once (so that batches are written in their order); settling follows.
 *
 *   written ──all acknowledged──► settled (offsets may be committed)
 *      └──outcome unknown───────► thrown: the source reads again from the committed offsets
 *      └──partitions revoked────► forgotten: whoever has them now reads from the committed offsets
 */
export async function settle(
  routed: RoutedBatch,
  sink: Sink,
  source: Source,
  { metrics, traces, logger, malformedLog, now }: Told,
): Promise<void> {
  const { batch, outgoing, beganMs, times, malformed, lines } = routed;
  await sink.write(outgoing, batch);
  if (batch.revoked.aborted) return;
  source.settled(batch);
  const at = now();
  metrics.routed(times, at);
  traces?.routed(batch, outgoing, beganMs);
  const first = malformed[0];
  if (first !== undefined) {
    const { origin, refused } = first;
    const { reason, problems } = refused;
    malformedLog.warn({ origin, reason, problems }, "records are no events: dead-lettered", malformed.length);
  }
  if (lines !== null) tellAll(routed, logger, at);
}

/** The wide lines: one for each event and each refused record, then the batch's own. */
function tellAll({ batch, outgoing, times, malformed, lines }: RoutedBatch, logger: Logger, at: number): void {
  for (const { origin, refused } of malformed)
    logger.debug({ origin, reason: refused.reason, problems: refused.problems }, "record dead-lettered");
  for (const [index, line] of (lines ?? []).entries()) {
    const eventMs = times.eventMs[index] as number;
    const eventAgeMs = Number.isNaN(eventMs) ? null : at - eventMs;
    logger.debug({ ...line, durationMs: at - (times.recordMs[index] as number), eventAgeMs }, "event routed");
  }
  const ends = Object.fromEntries(batch.ends);
  logger.debug({ records: batch.records.length, bytes: batch.bytes, written: outgoing.length, ends }, "batch routed");
}
