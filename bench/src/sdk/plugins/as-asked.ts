import { z } from "zod";

const { BENCH_HANDLING, BENCH_IDENTITY, BENCH_OUTCOMES } = process.env;

/** Whether the bench asks for `onBatch`. */
export const inBatches = BENCH_HANDLING === "batch";

/** What the bench's plugins have in common: the way of recording that the bench asks for. */
export function asAsked(id: string, name: string, description: string) {
  return {
    metadata: { id, name, description, version: "1.0.0", events: ["onResponse"] },
    settings: z.object({}),
    revisions: "all" as const,
    ...(BENCH_IDENTITY === "none" && { identity: "none" as const }),
    ...(BENCH_OUTCOMES === "exceptions" && { outcomes: "exceptions" as const }),
  };
}
