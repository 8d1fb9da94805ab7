import { expect, test } from "@jest/globals";
import { createLogger, SparseLog, systemClock } from "@plugboard/runtime";
import type { RouterMetrics, Sink, Source, SourceBatch } from "../../src/domain/ports.ts";
import { Pipeline } from "../../src/pipeline/pipeline.ts";
import type { BatchRouter } from "../../src/pipeline/route-batch.ts";

/** A batch of an assignment of its own, and what revokes it. */
function batchOf(partition: number): { readonly batch: SourceBatch; readonly revoke: AbortController } {
  const revoke = new AbortController();
  const membership = { memberId: "one", generationId: partition };
  const ends = new Map([[partition, 1]]);
  const batch = { topic: "responses", membership, records: [], bytes: 0, share: 1, ends, revoked: revoke.signal };
  return { batch, revoke };
}

test("a batch of a new assignment that fails is read again, though reading again of the one before is under way", async () => {
  const [before, after] = [batchOf(0), batchOf(1)];
  const handedOut: ((batch: SourceBatch | null) => void)[] = [];
  const rewound: string[] = [];
  const failed = Promise.withResolvers<void>();
  const source: Source = {
    start: async () => {},
    next: () => new Promise((resolve) => handedOut.push(resolve)),
    settled: () => {},
    // The first never ends: what comes after must not wait for it.
    rewind: (reason) => {
      rewound.push(reason);
      before.revoke.abort();
      if (rewound.length === 2) failed.resolve();
      return new Promise(() => {});
    },
    pause: async () => handedOut.pop()?.(null),
    stop: async () => {},
    problem: () => null,
  };
  const sink: Sink = {
    write: async (_records, { membership }) => {
      throw new Error(`generation ${membership.generationId}`);
    },
    room: async () => {},
    unwritable: () => [],
    prepare: async () => {},
    stop: async () => {},
  };
  const logger = createLogger("pipeline", "silent");
  const router = { route: async (batch: SourceBatch) => ({ batch, outgoing: [] }) } as unknown as BatchRouter;
  const metrics = { recordsIn() {}, batchRouted() {}, rewound() {} } as unknown as RouterMetrics;
  const pipeline = new Pipeline({
    prepare: async () => {},
    source,
    router,
    sink,
    metrics,
    logger,
    traces: null,
    malformedLog: new SparseLog(logger, systemClock),
    now: Date.now,
  });
  await pipeline.start();
  for (const { batch } of [before, after]) {
    while (handedOut.length === 0) await new Promise((resolve) => setImmediate(resolve));
    handedOut.pop()?.(batch);
  }
  await failed.promise;
  expect(rewound).toEqual(["generation 0", "generation 1"]);
});
