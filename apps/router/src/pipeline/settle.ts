import type { Logger } from "@plugboard/runtime";
import type { RouterMetrics, Sink, Source } from "../domain/ports.ts";
import type { RoutedBatch } from "./route-batch.ts";

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
  metrics: RouterMetrics,
  logger: Logger,
  now: () => number,
): Promise<void> {
  const { batch, outgoing, times, malformed } = routed;
  await sink.write(outgoing, batch);
  if (batch.revoked.aborted) return;
  source.settled(batch);
  const at = now();
  for (const { eventMs, recordMs } of times)
    metrics.routedAfter(eventMs === null ? null : (at - eventMs) / 1_000, (at - recordMs) / 1_000);
  for (const { origin, refused } of malformed)
    logger.warn({ origin, reason: refused.reason, problems: refused.problems }, "record is no event: dead-lettered");
  logger.debug(
    {
      records: batch.records.length,
      bytes: batch.bytes,
      written: outgoing.length,
      malformed: malformed.length,
      ends: Object.fromEntries(batch.ends),
    },
    "batch routed",
  );
}
