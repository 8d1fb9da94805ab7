import { must } from "../nonconformance.ts";
import { newTeam } from "../response-ids.ts";
import { secretsIn } from "../sealed-settings.ts";
import type { Stage } from "../stage.ts";

/** Shorter texts stand in a log by accident. */
const SECRET_LENGTH_MIN = 6;

/** Nothing secret stands in what its processes have written so far, nor in what it says of itself. */
export async function secrets(stage: Stage): Promise<void> {
  await stage.running();
  const { manager } = stage;
  const team = newTeam("secrets");
  const ofTeam = secretsIn(stage.settingsOf(team).valid, manager.registration?.settings ?? {});
  const known = [manager.token, manager.secret, manager.secret.replace("whsec_", ""), ...ofTeam];
  const shown = `${stage.output}\n${JSON.stringify((await manager.get("/metadata")).body)}`;
  const count = known.filter((text) => text.length >= SECRET_LENGTH_MIN && shown.includes(text)).length;
  must(
    count === 0,
    `${count} of its secrets (token, webhook secret, a team's settings) stand in its output or in GET /metadata`,
  );
}
