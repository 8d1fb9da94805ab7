import type { Dice } from "../dice.ts";
import type { Installation } from "../installation.ts";
import { RESPONSES } from "../teams.ts";
import type { Fault } from "./fault.ts";

export const brokerKilled: Fault = {
  name: "broker-killed",
  what: "kill -9 of a broker that leads partitions of responses, started again",
  touches: ["brokers", "topics"],
  standsMs: 8_000,
  short: true,
  inject: (rig, dice) => killLeader(rig, [RESPONSES], dice),
};

/** Kills a broker that leads a partition of these topics. @returns what starts it again. */
export async function killLeader(
  { kafkaCluster, admin, journal }: Pick<Installation, "kafkaCluster" | "admin" | "journal">,
  names: readonly string[],
  dice: Dice,
): Promise<() => Promise<void>> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [...names] });
  const leaders = topics.flatMap((topic) => topic.partitions.map(({ leader }) => leader));
  // Kafka counts its brokers from 1, the cluster from 0.
  const broker = dice.oneOf(leaders) - 1;
  journal.disturbed(`kill -9 of broker ${broker + 1}`);
  await kafkaCluster.kill(broker);
  return async () => {
    journal.disturbed(`start of broker ${broker + 1}`);
    await kafkaCluster.start(broker);
  };
}
