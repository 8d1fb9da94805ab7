import type { DeliveryOutcome } from "@plugboard/contract";
import type { z } from "zod";
import type { PluginDefinition } from "../define-plugin.ts";
import type { ContextParts } from "../handlers/handler-context.ts";
import type { SdkMetrics } from "../metrics.ts";
import type { TeamSettings } from "../settings/team-settings.ts";
import type { Claim } from "../store/delivery-store.ts";
import type { RetryStore } from "../store/retry-store.ts";
import type { TakenEntry, Verdict } from "../store/taken-entry.ts";
import type { Identities } from "../store/unrecorded-deliveries.ts";
import { type AdmissionParts, parkedFor } from "./admission.ts";
import { type BegunCall, type Call, type CallEnd, type FinishedCall, failureOf } from "./call-handler.ts";
import { CallsUnderWay } from "./calls-under-way.ts";
import type { CircuitBreakers } from "./circuit-breakers.ts";
import { decideNext, decideUnresolved, type Next, plainReason } from "./decide-next.ts";
import type { DueLater } from "./due-later.ts";
import { checkEnablement, type EnablementParts, knownEnablement } from "./enablement.ts";
import type { OutcomeReport } from "./outcome-publisher.ts";
import { persisted } from "./persisted.ts";
import type { Received } from "./received.ts";
import type { RetryLimits } from "./retry-schedule.ts";
import { SuspectPlace } from "./suspect-place.ts";
import { callTraced, type TracedParts } from "./traced-call.ts";
import { timeLeft } from "./wait-times.ts";

export interface AttemptParts<Schema extends z.ZodObject> extends AdmissionParts, TracedParts {
  readonly definition: PluginDefinition<Schema>;
  readonly instance: string;
  readonly enablement: EnablementParts;
  readonly settings: Pick<TeamSettings<Schema>, "of" | "current">;
  readonly deliveries: Identities;
  readonly retries: RetryStore;
  readonly later: DueLater;
  readonly contexts: ContextParts;
  readonly breakers: Pick<CircuitBreakers, "admit" | "closed" | "giveBack" | "succeeded" | "failed">;
  readonly limits: RetryLimits;
  readonly deadlineMs: number;
  /** How long a claim holds. */
  readonly leaseMs: number;
  readonly report: (received: Received, report: OutcomeReport) => void;
  /** Something became due in `retries` at once. */
  readonly onStored: () => void;
  readonly metrics: SdkMetrics;
}

/**
 * One attempt at one delivery: the only place that decides settlement. When it returns, the delivery is settled or
 * stands in `retries`; only then may its offset move. When it throws, neither is certain and the offset stays.
 *
 *   enabled? ──no──► forgotten, `disabled`          settings in force? ──no──► waits in `retries`
 *   breakers closed, or is it a probe? ──no──► waits in `retries`
 *      claim ──► duplicate | superseded | unknown (cut short, unsafe)   settled
 *            └─► busy | behind                                          waits in `retries`
 *            └─► suspect (cut short) ──is there another here?──yes──►   waits in `retries`; else it is claimed
 *            └─► poison (cut short again and again, alone)              as given up
 *            └─► claimed ──► handler ──► delivered | unknown            settled
 *                                   └──► retry                          waits in `retries`
 *                                   └──► rejected | failed | given up   in `retries` with its verdict, until the dead
 *                                                                       letter is acknowledged; then settled
 */
export class Attempter<Schema extends z.ZodObject> {
  readonly #parts: AttemptParts<Schema>;
  #count = 0;
  readonly #calls = new CallsUnderWay();
  readonly #suspects: SuspectPlace;

  constructor(parts: AttemptParts<Schema>) {
    this.#parts = parts;
    this.#suspects = new SuspectPlace(parts);
  }

  /** When the oldest handler call under way of a team began, on the monotonic clock; null when there is none. */
  callingSince(team: string): number | null {
    return this.#calls.oldestSince(team);
  }

  /** Takes over a call that was begun without being asked for. */
  async takeOver(begun: BegunCall<Schema>, signal: AbortSignal): Promise<void> {
    const { received, settings } = begun;
    const leftMs = timeLeft(this.#parts);
    await this.#run(received, null, { token: null, attempt: 1, settings, unresolved: false, leftMs, begun }, signal);
  }

  /** @param signal aborted when there is no more time at all. */
  async attempt(received: Received, entry: TakenEntry | null, signal: AbortSignal): Promise<void> {
    const { deliveries, settings, enablement, breakers } = this.#parts;
    const team = received.event.teamId;
    const { routeVersion, routedAt } = received;
    const asked = { team, routeVersion, routedAt };
    const state = knownEnablement(enablement, asked) ?? (await checkEnablement(enablement, asked, signal));
    if (state.kind === "disabled") {
      if (entry !== null) await deliveries.forget(received.id);
      return this.#report(received, "disabled", 0, "the team had switched the plugin off");
    }
    if (state.kind === "table-behind") return await this.#parts.later.wait(received, entry, "table");
    const opened = state.kind === "enabled" ? (settings.current(team) ?? (await settings.of(team))) : null;
    if (opened === null) return await this.#parts.later.wait(received, entry, "settings");
    if (breakers.closed(team)) return void (await this.#claim(received, entry, opened, signal));
    const probing: string[] = [];
    let told = false;
    try {
      const parkedMs = await parkedFor(this.#parts, team, entry === null, probing);
      if (parkedMs !== null) return await this.#parts.later.wait(received, entry, "parked", parkedMs);
      told = await this.#claim(received, entry, opened, signal);
    } finally {
      if (!told) await Promise.all(probing.map((whose) => breakers.giveBack(whose)));
    }
  }

  /** Answers whether the handler told anything: it was called, and was not cut off. */
  async #claim(
    received: Received,
    entry: TakenEntry | null,
    opened: z.output<Schema>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { deliveries, instance } = this.#parts;
    this.#count += 1;
    const token = `${instance}/${this.#count}`;
    const seq = entry?.seq ?? null;
    const leftMs = timeLeft(this.#parts);
    const go = async (claim: Claim) => {
      if (claim.kind === "claimed") {
        if (claim.cutShort) this.#parts.metrics.cutShort.inc();
        const unresolved = claim.cutShort || entry?.unresolved === true;
        const claimed = {
          token: claim.unrecorded ? null : token,
          attempt: claim.attempt,
          settings: opened,
          unresolved,
          leftMs,
        };
        return await this.#run(received, entry, claimed, signal);
      }
      await this.#notClaimed(received, entry, claim);
      return false;
    };
    const claim = await deliveries.claim(received, token, seq);
    if (claim.kind !== "suspect") return await go(claim);
    const told = await this.#suspects.alone(async () => go(await deliveries.claim(received, token, seq, true)));
    return told ?? (await go(claim));
  }

  async #notClaimed(
    received: Received,
    entry: TakenEntry | null,
    claim: Exclude<Claim, { readonly kind: "claimed" }>,
  ): Promise<void> {
    switch (claim.kind) {
      case "duplicate":
        this.#parts.metrics.identityHits.inc();
        if (entry !== null) await this.#parts.retries.remove(entry.seq);
        return this.#report(received, "duplicate", 0, `its earlier copy: ${claim.earlier}`);
      case "superseded":
        if (entry !== null) await this.#parts.retries.remove(entry.seq);
        return this.#report(received, "superseded", 0, `revision ${claim.by} had been delivered, or may have been`);
      case "interrupted":
        this.#parts.metrics.cutShort.inc();
        if (entry !== null) await this.#parts.retries.remove(entry.seq);
        return this.#report(received, "unknown", claim.attempts, "an attempt was cut short");
      case "suspect":
        return await this.#parts.later.wait(received, entry, "alone");
      case "poison": {
        this.#parts.metrics.cutShort.inc();
        const detail = `set aside: ${claim.cuts} attempts of it were cut short`;
        const verdict: Verdict = { outcome: "failed", reason: "failed", detail, attempts: claim.attempts };
        return await this.#parts.later.store(received, "dead-letter", 0, { token: null, verdict });
      }
      case "busy":
        return await this.#parts.later.wait(received, entry, "busy", claim.until.getTime() - this.#parts.clock.now());
      case "behind":
        return await this.#parts.later.wait(received, entry, "order");
      default:
        throw new Error(`a claim came to ${JSON.stringify(claim satisfies never)}`);
    }
  }

  async #run(
    received: Received,
    entry: TakenEntry | null,
    claimed: Omit<Call<Schema>, "received">,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { clock, metrics } = this.#parts;
    const begun = clock.monotonic();
    metrics.inFlight.inc();
    const ended = this.#calls.begin(received.event.teamId, begun);
    const first = entry?.history[0]?.span;
    const { end, span } = await callTraced(this.#parts, { received, ...claimed }, first, signal).finally(() => {
      metrics.inFlight.dec();
      ended();
    });
    const durationMs = Math.round(clock.monotonic() - begun);
    metrics.attemptSeconds.observe(durationMs / 1_000);
    if (end.kind === "handed-back") {
      // What it came to before it was cut off nobody knows.
      const unresolved = claimed.unresolved || end.called;
      await this.#parts.later.store(received, "drain", 0, { token: claimed.token, uncount: true, unresolved });
      return false;
    }
    await this.#follow(received, claimed, this.#next(end, entry, claimed.attempt, span), durationMs);
    await this.#tell(received, end);
    return true;
  }

  #next(end: FinishedCall, entry: TakenEntry | null, attempt: number, span: string | undefined): Next {
    if (end.kind === "committed") return { kind: "settled" };
    const now = this.#parts.clock.now();
    const progress = {
      attempt,
      history: entry?.history ?? [],
      ageMs: entry === null ? 0 : now - entry.storedAtMs,
      at: new Date(now).toISOString(),
      span,
    };
    return end.kind === "unresolved"
      ? decideUnresolved(end.reason, progress, this.#parts.limits)
      : decideNext(end.outcome, progress, this.#parts.limits);
  }

  async #follow(
    received: Received,
    { token, attempt }: { readonly token: string | null; readonly attempt: number },
    next: Next,
    durationMs: number,
  ): Promise<void> {
    const { clock, deliveries } = this.#parts;
    switch (next.kind) {
      case "settled":
        return this.#report(received, "delivered", attempt, null, durationMs);
      case "settle":
        if ((await persisted(() => deliveries.settle(received.id, next.outcome, next.reason, token))) !== next.outcome)
          return;
        return this.#report(received, next.outcome, attempt, next.reason, durationMs);
      case "retry": {
        const { history, delayMs, unresolved } = next;
        await this.#parts.later.store(received, "retry", delayMs, {
          token,
          attempts: attempt,
          history,
          unresolved,
        });
        const retryAt = new Date(clock.now() + delayMs).toISOString();
        return this.#report(received, "retry", attempt, history.at(-1)?.reason ?? null, durationMs, retryAt);
      }
      case "dead-letter": {
        const { history, verdict } = next;
        return await this.#parts.later.store(received, "dead-letter", 0, { token, history, verdict });
      }
      default:
        return next satisfies never;
    }
  }

  /** What a team's data or settings are refused for says that its vendor answers. */
  async #tell({ event: { teamId }, id }: Received, end: CallEnd): Promise<void> {
    const reason = failureOf(end);
    const { breakers } = this.#parts;
    if (reason === null) await breakers.succeeded(teamId);
    else await breakers.failed(teamId, id, plainReason(reason));
  }

  #report(
    received: Received,
    outcome: DeliveryOutcome,
    attempt: number,
    reason: string | null,
    durationMs: number | null = null,
    retryAt: string | null = null,
  ): void {
    this.#parts.report(received, { outcome, attempt, reason, durationMs, retryAt });
  }
}
