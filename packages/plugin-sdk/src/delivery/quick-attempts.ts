import type { z } from "zod";
import type { SdkMetrics } from "../metrics.ts";
import type { TeamSettings } from "../settings/team-settings.ts";
import type { Attempter } from "./attempt.ts";
import { BegunCall, type CallParts } from "./call-handler.ts";
import type { CircuitBreakers } from "./circuit-breakers.ts";
import { type EnablementParts, knownEnablement } from "./enablement.ts";
import type { OutcomeReport } from "./outcome-publisher.ts";
import type { Received } from "./received.ts";

export interface QuickAttemptsParts<Schema extends z.ZodObject> extends CallParts<Schema> {
  readonly enablement: EnablementParts;
  readonly settings: Pick<TeamSettings<Schema>, "current">;
  readonly breakers: Pick<CircuitBreakers, "closed" | "succeeded">;
  readonly report: (received: Received, report: OutcomeReport) => void;
  readonly metrics: SdkMetrics;
  /** Whether nothing more may be put into the due-time table. */
  readonly table: { readonly full: boolean };
  readonly attempter: Pick<Attempter<Schema>, "takeOver">;
}

/** A handler call under way that nobody waits for yet. */
export type QuickCall = Pick<Quick<z.ZodObject>, "state" | "received" | "settled" | "takeOver">;

const DELIVERED: OutcomeReport = { outcome: "delivered", attempt: 1, reason: null, durationMs: 0, retryAt: null };

/**
 * First attempts of a plugin without identities whose handler is done at once: nobody is asked, nothing is written, nothing is waited for. What
 * is not like that is the Attempter's, which takes over a call that has begun here.
 */
export class QuickAttempts<Schema extends z.ZodObject> {
  readonly #parts: QuickAttemptsParts<Schema>;

  constructor(parts: QuickAttemptsParts<Schema>) {
    this.#parts = parts;
  }

  /** Calls the handler; null, and nothing is done, where somebody has to be asked first. */
  begin(received: Received): QuickCall | null {
    const { enablement, settings, breakers, table } = this.#parts;
    const { event, routeVersion, routedAt } = received;
    const { teamId: team } = event;
    if (table.full || !breakers.closed(team)) return null;
    if (knownEnablement(enablement, { team, routeVersion, routedAt })?.kind !== "enabled") return null;
    const opened = settings.current(team);
    return opened === null ? null : new Quick(this.#parts, received, opened);
  }
}

class Quick<Schema extends z.ZodObject> extends BegunCall<Schema> {
  readonly #parts: QuickAttemptsParts<Schema>;

  constructor(parts: QuickAttemptsParts<Schema>, received: Received, settings: z.output<Schema>) {
    super(parts, received, settings);
    this.#parts = parts;
  }

  /** To be called when it went well, at once. */
  settled(): void {
    const { metrics, report, breakers } = this.#parts;
    metrics.attemptSeconds.observe(0);
    report(this.received, DELIVERED);
    void breakers.succeeded(this.received.event.teamId);
  }

  /** Resolves when the delivery is settled or stored, as with any other attempt. */
  async takeOver(signal: AbortSignal): Promise<void> {
    await this.#parts.attempter.takeOver(this, signal);
  }
}
