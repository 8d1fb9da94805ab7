import { must } from "../nonconformance.ts";
import type { Stage } from "../stage.ts";

/** A copy that stands in the topic when its team switches the plugin off is dropped. */
export async function disabled(stage: Stage): Promise<void> {
  const team = await stage.team("disabled");
  stage.manager.disable(team);
  const response = stage.response(team);
  const id = await stage.route(response);
  await stage.outcome(id, ["disabled"], "the delivery of a team that has switched the plugin off");
  const effects = await stage.effects(response.id);
  must(effects === 0, "a delivery had its effect although the team has switched the plugin off");
}
