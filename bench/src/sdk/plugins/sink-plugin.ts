import { definePlugin, type Outcome, retry, runPlugin } from "@plugboard/plugin-sdk";
import { type SinkItem, SinkRefusal, sendToSink } from "../sink-client.ts";
import { Tally } from "../tally.ts";
import { asAsked, inBatches } from "./as-asked.ts";

/** A plugin that calls a third party for each delivery, or for each batch. */
const tally = Tally.start();
const base = asAsked("sink", "Sink", "Sends each delivery to a third party.");

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

const plugin = inBatches
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
