import { setTimeout as sleep } from "node:timers/promises";
import type { DeliveryOutcome } from "@plugboard/contract";
import { must } from "../nonconformance.ts";
import type { PluginDescription } from "../plugin-description.ts";
import type { Stage } from "../stage.ts";

/** What is recorded of a delivery whose process was killed behind its effect. */
const AFTER_CRASH = {
  "at-least-once": "delivered",
  "exactly-once": "delivered",
  "at-most-once": "unknown",
} as const satisfies Record<PluginDescription["effect"], DeliveryOutcome>;

/** Time to commit an offset that must not be committed: who does that, does it within a second. */
const COMMIT_MS = 1_000;

/** Killed when it had the delivery, and before anything came of it: the question whether the team wants it is not answered. */
export async function crashBeforeEffect(stage: Stage): Promise<void> {
  const team = await stage.team("crash-before-effect");
  const process = await stage.running();
  const response = stage.response(team);
  stage.manager.hold(team);
  const id = await stage.route(response);
  await stage.eventually("it did not ask whether the team still wants a delivery: POST /internal/routes", () =>
    stage.manager.wasAsked(team) ? true : undefined,
  );
  await sleep(COMMIT_MS);
  await process.kill();
  stage.manager.release(team);
  await stage.running();
  const what = "a delivery whose process was killed before the effect";
  // Who notes an attempt before it asks cannot tell this from a crash behind the effect.
  const expected: DeliveryOutcome[] = stage.plugin.effect === "at-most-once" ? ["delivered", "unknown"] : ["delivered"];
  const { outcome } = await stage.outcome(id, expected, what);
  const effects = await stage.effects(response.id);
  const right = outcome === "delivered" ? 1 : 0;
  must(effects === right, `${what} is ${outcome}, and had its effect ${effects} times`);
}

/** Killed when the vendor has done what was asked and has not answered yet. */
export async function crashAfterEffect(stage: Stage): Promise<void> {
  const team = await stage.team("crash-after-effect");
  const process = await stage.running();
  const response = stage.response(team);
  stage.vendor.behave(team, "held");
  const id = await stage.route(response);
  await stage.eventually("the vendor was not called for a delivery", () => stage.vendor.hasHeld(team) || undefined);
  await sleep(COMMIT_MS);
  await process.kill();
  stage.vendor.release(team);
  await stage.running();
  const { effect } = stage.plugin;
  const what = "a delivery whose process was killed behind its effect";
  await stage.outcome(id, [AFTER_CRASH[effect]], `${what} (${effect})`);
  const effects = await stage.effects(response.id);
  must(effects === 1, `${what} had that effect ${effects} times: ${effect} promises one`);
}
