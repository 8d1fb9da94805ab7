import { definePlugin, type Outcome, retry, runPlugin } from "@plugboard/plugin-sdk";
import { z } from "zod";
import { type SinkItem, SinkRefusal, sendToSink } from "../sink-client.ts";
import { Tally } from "../tally.ts";

/** A plugin that calls a third party for each delivery, or for each batch. */
const tally = Tally.start();
const { BENCH_HANDLING, BENCH_IDENTITY, BENCH_OUTCOMES } = process.env;

const base = {
  metadata: {
    id: "sink",
    name: "Sink",
    description: "Sends each delivery to a third party.",
    version: "1.0.0",
    events: ["onResponse"],
  },
  settings: z.object({}),
  revisions: "all" as const,
  ...(BENCH_IDENTITY === "none" && { identity: "none" as const }),
  ...(BENCH_OUTCOMES === "exceptions" && { outcomes: "exceptions" as const }),
};

/** A refusal is not the delivery's fault: it is tried again when the third party says. */
async function send(items: readonly SinkItem[], signal: AbortSignal): Promise<Outcome | undefined> {
  try {
    await sendToSink(items, signal);
    for (const { id } of items) tally.handled(id);
    return undefined;
  } catch (error) {
    if (error instanceof SinkRefusal) return retry(error.message, error.afterMs);
    throw error;
  }
}

const plugin =
  BENCH_HANDLING === "batch"
    ? definePlugin({
        ...base,
        onBatch: async (deliveries, { signal }) => {
          const refused = await send(
            deliveries.map(({ event, team }) => ({ id: event.id, team })),
            signal,
          );
          return refused && deliveries.map(() => refused);
        },
      })
    : definePlugin({
        ...base,
        onEvent: ({ event, team }, { signal }) => send([{ id: event.id, team }], signal),
      });

await runPlugin(plugin);
