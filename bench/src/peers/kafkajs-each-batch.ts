import { Tally } from "../sdk/tally.ts";
import { handleEvent } from "./handle-event.ts";
import { peerConsumer } from "./peer-consumer.ts";

/** The same with kafkajs's batches: one message after the other, an offset resolved behind each, a heartbeat now and then. */
const HEARTBEAT_EVERY = 100;

const tally = Tally.start();
const consumer = await peerConsumer();
await consumer.run({
  eachBatchAutoResolve: false,
  eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
    let handled = 0;
    for (const message of batch.messages) {
      if (!isRunning() || isStale()) return;
      const event = JSON.parse(String(message.value));
      await handleEvent(event);
      tally.handled(event.id);
      resolveOffset(message.offset);
      handled += 1;
      if (handled % HEARTBEAT_EVERY === 0) await heartbeat();
    }
  },
});
