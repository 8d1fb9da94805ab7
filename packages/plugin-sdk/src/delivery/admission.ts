import type { Clock } from "@plugboard/runtime";
import { WHOLE_PLUGIN } from "../store/breaker-store.ts";
import type { CircuitBreakers } from "./circuit-breakers.ts";

export interface AdmissionParts {
  readonly breakers: Pick<CircuitBreakers, "admit">;
  readonly clock: Clock;
  /** Ends the wait for the plugin's own breaker: the topic keeps what waits. */
  readonly draining: AbortSignal;
}

/** How often a delivery that came from the topic asks whether the plugin's own breaker is closed. */
const BREAKER_POLL_MS = 1_000;

/**
 * Asks the plugin's breaker, then the team's. What comes from the topic waits here for the plugin's: nobody else could
 * be served meanwhile, and the topic keeps what comes.
 * @param probing gets those of which this delivery is the probe.
 * @returns how long the delivery is parked, milliseconds; null when it may go on.
 */
export async function parkedFor(
  { breakers, clock, draining }: AdmissionParts,
  team: string,
  fromTopic: boolean,
  probing: string[],
): Promise<number | null> {
  for (const whose of [WHOLE_PLUGIN, team]) {
    let admission = await breakers.admit(whose);
    while (admission.kind === "parked" && whose === WHOLE_PLUGIN && fromTopic) {
      await clock.sleep(Math.min(admission.waitMs, BREAKER_POLL_MS), draining);
      admission = await breakers.admit(whose);
    }
    if (admission.kind === "parked") return admission.waitMs;
    if (admission.probe) probing.push(whose);
  }
  return null;
}
