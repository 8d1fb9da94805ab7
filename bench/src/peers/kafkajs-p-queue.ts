import PQueue from "p-queue";
import { Tally } from "../sdk/tally.ts";
import { handleEvent, SINK_CALLS_MAX } from "./handle-event.ts";
import { peerConsumer } from "./peer-consumer.ts";

/**
 * What an experienced author writes for a slow third party: so many calls at once from a queue that all partitions share, offsets
 * committed behind a whole batch. No order is kept, no team has a share, and what fails fails its batch.
 */
const PARTITIONS_AT_ONCE = 6;

const tally = Tally.start();
const queue = new PQueue({ concurrency: SINK_CALLS_MAX });
const consumer = await peerConsumer();
await consumer.run({
  partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
  eachBatch: async ({ batch }) => {
    await queue.addAll(
      batch.messages.map((message) => async () => {
        const event = JSON.parse(String(message.value));
        await handleEvent(event);
        tally.handled(event.id);
      }),
    );
  },
});
