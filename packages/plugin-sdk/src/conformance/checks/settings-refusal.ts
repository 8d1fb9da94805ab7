import { type InitializeResponse, initializeResponseSchema } from "@plugboard/contract";
import { must } from "../nonconformance.ts";
import type { PlayedManager, PluginAnswer } from "../played-manager.ts";
import { newTeam } from "../response-ids.ts";
import type { Stage } from "../stage.ts";

/** It refuses wrong settings with reasons, handles nothing with them, and takes right ones; an old version brings nothing back. */
export async function settingsRefusal(stage: Stage): Promise<void> {
  const team = newTeam("settings-refusal");
  stage.manager.enable(team);
  await stage.running();
  const { valid, refused } = stage.settingsOf(team);
  must(
    refused !== undefined,
    "the description has no settings that are refused: give some, or say why in notApplicable",
  );
  const first = verdict(await stage.configure(team, refused));
  must(first.status === "refused", `settings that should be refused were ${first.status}`);
  must(
    first.reasons.every(({ path }) => path === "" || path.startsWith("/")),
    `the path of a reason has to be a JSON pointer into the settings: ${JSON.stringify(first.reasons)}`,
  );
  const response = stage.response(team);
  const waiting = await stage.route(response);
  // Behind it in the partition: when this one is done, the other would be as well.
  const other = await stage.team("settings-refusal");
  await stage.outcome(await stage.route(stage.response(other)), ["delivered"], "another team's delivery");
  must((await stage.effects(response.id)) === 0, "a delivery was handled although the team's settings are refused");
  must(
    stage.outcomes(waiting).length === 0,
    "a delivery whose team's settings are refused has to wait, without an outcome",
  );

  const version = stage.nextVersion(team);
  const second = verdict(await stage.configure(team, valid, version));
  must(second.status === "applied", `right settings were refused: ${JSON.stringify(second)}`);
  must(second.version === version, `it answered for version ${second.version} of the settings, not for ${version}`);
  await stage.outcome(waiting, ["delivered"], "the delivery that waited for settings");
  const again = verdict(await stage.configure(team, valid, version));
  must(again.status === "applied" && again.version === version, "the same version again has to get the same answer");
  const old = verdict(await stage.configure(team, refused, version - 1));
  must(old.version === version, `an older version of the settings (${old.version}) replaced version ${version}`);
}

/** The body of an answer of `/initialize`, as the manager reads it. */
export function verdict({
  status,
  body,
}: Awaited<ReturnType<PlayedManager["call"]>> | PluginAnswer): InitializeResponse {
  const parsed = initializeResponseSchema.safeParse(body);
  const said = `POST /initialize answered ${status} ${JSON.stringify(body)}`;
  must(status === 200 && parsed.success, `${said}: the manager would ask again, for ever`);
  return parsed.data as InitializeResponse;
}
