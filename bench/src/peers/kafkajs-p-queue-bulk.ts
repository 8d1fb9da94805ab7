import PQueue from "p-queue";
import { sendToSink } from "../sdk/sink-client.ts";
import { Tally } from "../sdk/tally.ts";
import { SINK_CALLS_MAX } from "./handle-event.ts";
import { peerConsumer } from "./peer-consumer.ts";

/** The same with a bulk call for up to fifty events of one team, for settings and quotas are a team's. */
const PARTITIONS_AT_ONCE = 6;
const ITEMS_MAX = 50;

interface Event {
  readonly id: string;
  readonly team_id: string;
}

const tally = Tally.start();
const queue = new PQueue({ concurrency: SINK_CALLS_MAX });
const consumer = await peerConsumer();
await consumer.run({
  partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
  eachBatch: async ({ batch }) => {
    const events = batch.messages.map(({ value }): Event => JSON.parse(String(value)));
    const calls = [...Map.groupBy(events, ({ team_id }) => team_id).values()].flatMap((ofTeam) => chunksOf(ofTeam));
    await queue.addAll(
      calls.map((some) => async () => {
        await sendToSink(some.map(({ id, team_id: team }) => ({ id, team })));
        for (const { id } of some) tally.handled(id);
      }),
    );
  },
});

function chunksOf(events: readonly Event[]): (readonly Event[])[] {
  return Array.from({ length: Math.ceil(events.length / ITEMS_MAX) }, (_, chunk) =>
    events.slice(chunk * ITEMS_MAX, (chunk + 1) * ITEMS_MAX),
  );
}
