import { Tally } from "../sdk/tally.ts";
import { handleEvent } from "./handle-event.ts";
import { peerConsumer } from "./peer-consumer.ts";

/** A consumer as most are written: one message after the other, parsed, handled, committed by kafkajs itself. */
const tally = Tally.start();
const consumer = await peerConsumer();
await consumer.run({
  eachMessage: async ({ message }) => {
    const event = JSON.parse(String(message.value));
    await handleEvent(event);
    tally.handled(event.id);
  },
});
