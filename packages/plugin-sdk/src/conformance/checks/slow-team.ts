import type { Stage } from "../stage.ts";

/** More than one process handles at once, unless it is told otherwise. */
const SLOW_DELIVERIES = 24;
const OTHER_DELIVERIES = 8;

/** While one team's vendor does not answer, other teams' deliveries are handled; and nothing of the slow team's is lost. */
export async function slowTeam(stage: Stage): Promise<void> {
  const [slow, other] = [await stage.team("slow-team"), await stage.team("slow-team")];
  stage.vendor.behave(slow, "held");
  try {
    const held = await routeMany(stage, slow, SLOW_DELIVERIES);
    await stage.eventually("the vendor was not called for a delivery", () => stage.vendor.hasHeld(slow) || undefined);
    const others = await routeMany(stage, other, OTHER_DELIVERIES);
    for (const id of others)
      await stage.outcome(id, ["delivered"], "a delivery behind those of a team whose vendor does not answer");
    stage.vendor.release(slow);
    for (const id of held)
      await stage.outcome(id, ["delivered", "unknown", "failed", "rejected"], "a slow team's delivery, afterwards,");
  } finally {
    stage.vendor.release(slow);
  }
}

async function routeMany(stage: Stage, team: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) ids.push(await stage.route(stage.response(team)));
  return ids;
}
