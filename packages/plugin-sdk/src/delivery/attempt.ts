import type { DeliveryOutcome } from "@plugboard/contract";
import { Failure } from "@plugboard/contract";
import type { Clock } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, retry as retryPolicy } from "cockatiel";
import type { z } from "zod";
import type { PluginDefinition } from "../define-plugin.ts";
import { type ContextParts, contextOf } from "../handlers/handler-context.ts";
import { DeadlineError, withinDeadline } from "../handlers/with-deadline.ts";
import type { SdkMetrics } from "../metrics.ts";
import { delivered, type Outcome, retry, unknown } from "../outcome.ts";
import type { TeamSettings } from "../settings/team-settings.ts";
import type { DeliveryStore } from "../store/delivery-store.ts";
import type { RetryStore, TakenEntry, Verdict, WaitingFor } from "../store/retry-store.ts";
import { decideNext, plainReason } from "./decide-next.ts";
import { checkEnablement, type EnablementParts } from "./enablement.ts";
import type { OutcomeReport } from "./outcome-publisher.ts";
import type { MalformedRecord, Received } from "./received.ts";
import type { RetryLimits } from "./retry-schedule.ts";

export interface AttemptParts<Schema extends z.ZodObject> {
  readonly definition: PluginDefinition<Schema>;
  readonly instance: string;
  readonly enablement: EnablementParts;
  readonly settings: Pick<TeamSettings<Schema>, "of">;
  readonly deliveries: DeliveryStore;
  readonly retries: RetryStore;
  readonly contexts: ContextParts;
  readonly limits: RetryLimits;
  readonly deadlineMs: number;
  readonly report: (received: Received, report: OutcomeReport) => void;
  /** Something became due in `retries` at once. */
  readonly onStored: () => void;
  readonly metrics: SdkMetrics;
  readonly clock: Clock;
}

/** Delays of waits that are no failures; `wake` shortens the first when settings arrive. */
const WAIT_MS: Record<Exclude<WaitingFor, "retry" | "dead-letter" | "turn">, number> = {
  settings: 30_000,
  table: 500,
  order: 1_000,
  busy: 1_000,
  drain: 0,
};
/** Longest a delivery waits for settings or its turn: as long as the topic would keep it. */
const WAIT_AGE_MS_MAX = 7 * 86_400_000;

/**
 * One attempt at one delivery: the only place that decides settlement. When it returns, the delivery is settled or
 * stands in `retries`; only then may its offset move. When it throws, neither is certain and the offset stays.
 *
 *   enabled? ──no──► forgotten, `disabled`          settings in force? ──no──► waits in `retries`
 *      claim ──► duplicate | superseded | unknown (cut short, unsafe)   settled
 *            └─► busy | behind                                          waits in `retries`
 *            └─► claimed ──► handler ──► delivered | unknown            settled
 *                                   └──► retry                          waits in `retries`
 *                                   └──► rejected | failed | given up   in `retries` with its verdict, until the dead
 *                                                                       letter is acknowledged; then settled
 */
export class Attempter<Schema extends z.ZodObject> {
  readonly #parts: AttemptParts<Schema>;
  #count = 0;
  /** Per team, when each of its handler calls under way began; the oldest first. */
  readonly #calls = new Map<string, Set<{ readonly since: number }>>();

  constructor(parts: AttemptParts<Schema>) {
    this.#parts = parts;
  }

  /** When the oldest handler call under way of a team began, on the monotonic clock; null when there is none. */
  callingSince(team: string): number | null {
    const [oldest] = this.#calls.get(team) ?? [];
    return oldest?.since ?? null;
  }

  /** @param signal aborted when there is no more time at all. */
  async attempt(received: Received, entry: TakenEntry | null, signal: AbortSignal): Promise<void> {
    const { deliveries, settings, enablement } = this.#parts;
    const team = received.event.teamId;
    const { routeVersion, routedAt } = received;
    const state = await checkEnablement(enablement, { team, routeVersion, routedAt }, signal);
    if (state.kind === "disabled") {
      if (entry !== null) await deliveries.forget(received.id);
      return this.#report(received, "disabled", 0, "the team had switched the plugin off");
    }
    if (state.kind === "table-behind") return await this.#wait(received, entry, "table");
    const opened = state.kind === "enabled" ? await settings.of(team) : null;
    if (opened === null) return await this.#wait(received, entry, "settings");

    this.#count += 1;
    const token = `${this.#parts.instance}/${this.#count}`;
    const claim = await deliveries.claim(received, token, entry?.seq ?? null);
    switch (claim.kind) {
      case "claimed":
        return await this.#run(received, entry, { token, attempt: claim.attempt, settings: opened }, signal);
      case "duplicate":
        this.#parts.metrics.identityHits.inc();
        if (entry !== null) await this.#parts.retries.remove(entry.seq);
        return this.#report(received, "duplicate", 0, `its earlier copy: ${claim.earlier}`);
      case "superseded":
        if (entry !== null) await this.#parts.retries.remove(entry.seq);
        return this.#report(received, "superseded", 0, `revision ${claim.by} had been delivered`);
      case "interrupted":
        if (entry !== null) await this.#parts.retries.remove(entry.seq);
        return this.#report(received, "unknown", claim.attempts, "an attempt was cut short");
      case "busy":
        return await this.#wait(received, entry, "busy", claim.until.getTime() - this.#parts.clock.now());
      case "behind":
        return await this.#wait(received, entry, "order");
      default:
        return claim satisfies never;
    }
  }

  /** A record that is no event becomes a dead letter; it has no identity and no outcome record. */
  async refuse(malformed: MalformedRecord): Promise<void> {
    const detail = plainReason(malformed.problems.join("; "));
    const verdict: Verdict = { outcome: null, reason: malformed.reason, detail, attempts: 0 };
    await this.#parts.retries.putOff(malformed, {
      waitingFor: "dead-letter",
      dueInMs: 0,
      history: [],
      verdict,
      token: null,
    });
    this.#parts.metrics.malformed.inc({ reason: malformed.reason });
    this.#parts.onStored();
  }

  async #run(
    received: Received,
    entry: TakenEntry | null,
    claimed: { readonly token: string; readonly attempt: number; readonly settings: z.output<Schema> },
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, deliveries, limits, metrics } = this.#parts;
    const begun = clock.monotonic();
    metrics.inFlight.inc();
    const ended = this.#calling(received.event.teamId, begun);
    const result = await this.#call(received, claimed, signal).finally(() => {
      metrics.inFlight.dec();
      ended();
    });
    const durationMs = Math.round(clock.monotonic() - begun);
    metrics.attemptSeconds.observe(durationMs / 1_000);
    if (result === "handed-back") {
      return await this.#store(received, entry, "drain", 0, { token: claimed.token, uncount: true });
    }
    const now = clock.now();
    const next = decideNext(
      result,
      {
        attempt: claimed.attempt,
        history: entry?.history ?? [],
        ageMs: entry === null ? 0 : now - entry.storedAtMs,
        at: new Date(now).toISOString(),
      },
      limits,
    );
    switch (next.kind) {
      case "settle":
        await persisted(() => deliveries.settle(received.id, next.outcome, next.reason));
        return this.#report(received, next.outcome, claimed.attempt, next.reason, durationMs);
      case "retry": {
        const { history, delayMs } = next;
        await this.#store(received, entry, "retry", delayMs, { token: claimed.token, history });
        const retryAt = new Date(clock.now() + delayMs).toISOString();
        const reason = history.at(-1)?.reason ?? null;
        return this.#report(received, "retry", claimed.attempt, reason, durationMs, retryAt);
      }
      case "dead-letter":
        return await this.#store(received, entry, "dead-letter", 0, {
          token: claimed.token,
          history: next.history,
          verdict: next.verdict,
        });
      default:
        return next satisfies never;
    }
  }

  #calling(team: string, since: number): () => void {
    const call = { since };
    const calls = this.#calls.get(team) ?? new Set();
    this.#calls.set(team, calls.add(call));
    return () => {
      calls.delete(call);
      if (calls.size === 0) this.#calls.delete(team);
    };
  }

  async #call(
    received: Received,
    { attempt, settings }: { readonly attempt: number; readonly settings: z.output<Schema> },
    signal: AbortSignal,
  ): Promise<Outcome | "handed-back"> {
    const { definition, contexts, deadlineMs } = this.#parts;
    const { id, event, data } = received;
    const team = event.teamId;
    const unsafe = definition.redeliver === "unsafe";
    try {
      const outcome = await withinDeadline(deadlineMs, signal, async (handlerSignal) =>
        definition.onEvent?.(
          { id, team, event, data, attempt },
          contextOf(contexts, { team, settings, signal: handlerSignal, fields: { deliveryId: id } }),
        ),
      );
      return outcome ?? delivered();
    } catch (error) {
      if (error instanceof DeadlineError) return unsafe ? unknown(error.message) : retry(error.message);
      if (signal.aborted) return unsafe ? unknown("the process stopped during the attempt") : "handed-back";
      contexts.logger.debug({ deliveryId: id, team, error }, "a handler threw");
      return retry(error instanceof Failure ? `${error.code}: ${error.message}` : messageOf(error));
    }
  }

  async #wait(
    received: Received,
    entry: TakenEntry | null,
    waitingFor: keyof typeof WAIT_MS,
    leastMs = 0,
  ): Promise<void> {
    if (entry !== null && this.#parts.clock.now() - entry.storedAtMs > WAIT_AGE_MS_MAX) {
      const detail = `waited too long (for: ${waitingFor})`;
      const attempts = entry.history.at(-1)?.attempt ?? 0;
      const verdict: Verdict = { outcome: "failed", reason: "failed", detail, attempts };
      return await this.#store(received, entry, "dead-letter", 0, { token: null, verdict });
    }
    await this.#store(received, entry, waitingFor, Math.max(WAIT_MS[waitingFor], leastMs), { token: null });
  }

  async #store(
    received: Received,
    entry: TakenEntry | null,
    waitingFor: WaitingFor,
    dueInMs: number,
    how: {
      readonly token: string | null;
      readonly uncount?: boolean;
      readonly history?: TakenEntry["history"];
      readonly verdict?: Verdict;
    },
  ): Promise<void> {
    const history = how.history ?? entry?.history ?? [];
    const put = { ...how, waitingFor, dueInMs: Math.round(dueInMs), history };
    await persisted(() => this.#parts.retries.putOff(received, put));
    if (dueInMs === 0) this.#parts.onStored();
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

/** Tries of a write that follows an attempt: about two seconds, so within the claim's lease. */
const PERSIST_ATTEMPTS_MAX = 5;

/** A handler's effect stands behind this write: a short trouble of the database must not make it look cut short. */
async function persisted(write: () => Promise<void>): Promise<void> {
  const backoff = new ExponentialBackoff({ initialDelay: 50, maxDelay: 1_000 });
  await retryPolicy(handleAll, { maxAttempts: PERSIST_ATTEMPTS_MAX, backoff }).execute(write);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}
