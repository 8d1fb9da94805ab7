import { LANES, laneGroup } from "@plugboard/contract";
import type { Stage } from "../stage.ts";

/** It reads all lanes, each in a group of its own, and commits what is settled. */
export async function lanes(stage: Stage): Promise<void> {
  const team = await stage.team("lanes");
  for (const lane of LANES) {
    const id = await stage.route(stage.response(team), {}, lane);
    await stage.outcome(id, ["delivered"], `a delivery in the lane ${lane}`);
    const groupId = laneGroup(stage.group, lane);
    const topic = stage.topics[lane];
    await stage.eventually(`the group ${groupId} has not committed what was settled of ${topic}`, async () => {
      const [end] = await stage.admin.fetchTopicOffsets(topic);
      const [group] = await stage.admin.fetchOffsets({ groupId, topics: [topic] });
      return group?.partitions[0]?.offset === end?.high ? true : undefined;
    });
  }
}
