import { must } from "../nonconformance.ts";
import type { Stage } from "../stage.ts";

/** An older revision that comes after a newer one is handled only by a plugin that wants all of them. */
export async function revisionFence(stage: Stage): Promise<void> {
  const team = await stage.team("revision-fence");
  const response = stage.response(team);
  const newer = await stage.route(response, { id: `${response.id}-second`, revision: 2 });
  await stage.outcome(newer, ["delivered"], "revision 2 of a response");
  const before = await stage.effects(response.id);
  const older = await stage.route(response, { id: `${response.id}-first`, revision: 1 });
  if (stage.plugin.revisions === "all") {
    await stage.outcome(older, ["delivered"], "revision 1 behind revision 2, of a plugin that wants all revisions");
    return;
  }
  await stage.outcome(older, ["superseded"], "revision 1 behind revision 2");
  const effects = await stage.effects(response.id);
  must(effects === before, `revision 1 had an effect after revision 2: ${before} before it, ${effects} behind it`);
}
