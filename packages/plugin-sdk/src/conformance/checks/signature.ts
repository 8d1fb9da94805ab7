import { randomBytes, randomUUID } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { must } from "../nonconformance.ts";
import type { CallDifference } from "../played-manager.ts";
import type { Stage } from "../stage.ts";
import { verdict } from "./settings-refusal.ts";

/** Beyond the 300 seconds that a timestamp may be off. */
const TOO_FAR_OFF_MS = 310_000;
const NEAR_ENOUGH_MS = 290_000;

/** Calls that the manager did not make are refused and change nothing; one that is repeated brings nothing old back. */
export async function signature(stage: Stage): Promise<void> {
  const { manager } = stage;
  const team = await stage.team("signature");
  const { valid } = stage.settingsOf(team);
  const current = stage.nextVersion(team);
  const recorded = await recordedCall(stage, team, current);
  verdict(await manager.send("/initialize", recorded.body, recorded.headers));

  const forged = await stage.settingsBody(team, valid, current + 100);
  const other = `whsec_${randomBytes(24).toString("base64")}`;
  const differences: Readonly<Record<string, CallDifference>> = {
    "has no signature": { headers: { "webhook-signature": null } },
    "has no id": { headers: { "webhook-id": null } },
    "has no timestamp": { headers: { "webhook-timestamp": null } },
    "is signed with another secret": { secret: other },
    "was changed behind its signature": { sent: JSON.stringify({ ...forged, version: current + 101 }) },
    "was signed more than five minutes ago": { at: new Date(Date.now() - TOO_FAR_OFF_MS) },
    "is from more than five minutes ahead": { at: new Date(Date.now() + TOO_FAR_OFF_MS) },
  };
  for (const [what, difference] of Object.entries(differences))
    await refuses(stage, "/initialize", what, forged, difference);
  const [action] = manager.registration?.actions ?? [];
  const unsigned = { headers: { "webhook-signature": null } };
  if (action !== undefined)
    await refuses(stage, `/actions/${action.name}`, "has no signature", { team, input: {} }, unsigned);
  if (manager.registration?.sync != null)
    await refuses(
      stage,
      "/execute",
      "has no signature",
      { event: { id: "e", team_id: team, event: "onResponse" } },
      unsigned,
    );

  const next = stage.nextVersion(team);
  const answer = verdict(await signedTwice(stage, team, next));
  must(
    answer.version === next,
    `refused calls changed the team's settings: it holds version ${answer.version}, not ${next}`,
  );
  const replayed = await manager.send("/initialize", recorded.body, recorded.headers);
  const { version } = (replayed.body ?? {}) as { version?: unknown };
  must(
    replayed.status === 401 || (replayed.status === 200 && version === next),
    `a call that came before brought old settings back: it answered ${replayed.status} ${JSON.stringify(replayed.body)}`,
  );
}

async function refuses(stage: Stage, path: string, what: string, body: unknown, how: CallDifference): Promise<void> {
  const answer = await stage.manager.call(path, body, how);
  const { code } = (answer.body ?? {}) as { code?: unknown };
  must(
    answer.status === 401 && code === "signature-invalid",
    `a call of ${path} that ${what} was answered ${answer.status} ${JSON.stringify(answer.body)}: it has to be 401 with the code signature-invalid`,
  );
}

/** A whole call as somebody on the way could have kept it. */
async function recordedCall(stage: Stage, team: string, version: number) {
  const body = JSON.stringify(await stage.settingsBody(team, stage.settingsOf(team).valid, version));
  return { body, headers: signedHeaders(stage.manager.secret, body, new Date()) };
}

/** Near the limit of time, and behind a signature of another secret and one of another kind, as while a secret is exchanged. */
async function signedTwice(stage: Stage, team: string, version: number) {
  const body = JSON.stringify(await stage.settingsBody(team, stage.settingsOf(team).valid, version));
  const headers = signedHeaders(stage.manager.secret, body, new Date(Date.now() - NEAR_ENOUGH_MS));
  const other = randomBytes(32).toString("base64");
  return await stage.manager.send("/initialize", body, {
    ...headers,
    "webhook-signature": `v1a,${other} v1,${other} ${headers["webhook-signature"]}`,
  });
}

function signedHeaders(secret: string, body: string, at: Date) {
  const id = `msg_${randomUUID()}`;
  return {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
    "webhook-signature": new Webhook(secret).sign(id, at, body),
  };
}
