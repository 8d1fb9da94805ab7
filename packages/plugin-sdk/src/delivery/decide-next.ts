import type { Outcome } from "../outcome.ts";
import type { FailedAttempt, Verdict } from "../store/taken-entry.ts";
import { type RetryLimits, retryDelayMs } from "./retry-schedule.ts";

/** What follows an attempt. */
export type Next =
  | { readonly kind: "settle"; readonly outcome: "delivered" | "unknown"; readonly reason: string | null }
  /** Settled already, with what the handler wrote. */
  | { readonly kind: "settled" }
  /** `unresolved`: what it has come to is to be found out before it is repeated. */
  | {
      readonly kind: "retry";
      readonly delayMs: number;
      readonly history: readonly FailedAttempt[];
      readonly unresolved: boolean;
    }
  | { readonly kind: "dead-letter"; readonly verdict: Verdict; readonly history: readonly FailedAttempt[] };

/** How far a delivery has come. */
export interface Progress {
  readonly attempt: number;
  readonly history: readonly FailedAttempt[];
  /** Time since it was first put off; 0 at the first attempt. */
  readonly ageMs: number;
  readonly at: string;
  /** The attempt's span, as a `traceparent`. */
  readonly span?: string | undefined;
}

/** Longest reason kept, in characters: it goes into headers and rows. */
const REASON_LENGTH_MAX = 1_000;

/** Decides what an outcome means, given how often and how long it was tried. Pure; the only place that decides it. */
export function decideNext(outcome: Outcome, progress: Progress, limits: RetryLimits): Next {
  switch (outcome.kind) {
    case "delivered":
      return { kind: "settle", outcome: "delivered", reason: null };
    case "unknown":
      return { kind: "settle", outcome: "unknown", reason: plainReason(outcome.reason) };
    case "rejected":
    case "failed":
      return deadLetter(outcome.kind, plainReason(outcome.reason), progress, withAttempt(progress, outcome.reason));
    case "retry": {
      const history = withAttempt(progress, outcome.reason);
      if (progress.attempt >= limits.attemptsMax) {
        return deadLetter(
          "failed",
          `given up after ${progress.attempt} attempts: ${plainReason(outcome.reason)}`,
          progress,
          history,
        );
      }
      const delayMs = delayOf(outcome.afterMs, progress.attempt, limits);
      if (progress.ageMs + delayMs > limits.ageMsMax) {
        const detail = `given up after ${progress.attempt} attempts, for the next would come too late: ${plainReason(outcome.reason)}`;
        return deadLetter("failed", detail, progress, history);
      }
      return { kind: "retry", delayMs, history, unresolved: false };
    }
    default:
      return outcome satisfies never;
  }
}

/** Decides what follows when nobody could tell what became of an effect: it is asked again later, within the same limits. */
export function decideUnresolved(reason: string, progress: Progress, limits: RetryLimits): Next {
  const next = decideNext({ kind: "retry", reason }, progress, limits);
  if (next.kind === "retry") return { ...next, unresolved: true };
  return { kind: "settle", outcome: "unknown", reason: plainReason(reason) };
}

/** A handler's reason, made fit to be stored: bounded, without NUL, which Postgres' text refuses. */
export function plainReason(reason: unknown): string {
  return String(reason).replaceAll("\0", "\ufffd").slice(0, REASON_LENGTH_MAX);
}

function delayOf(afterMs: number | undefined, attempt: number, limits: RetryLimits): number {
  return afterMs !== undefined && Number.isFinite(afterMs) && afterMs >= 0
    ? Math.round(afterMs)
    : retryDelayMs(attempt, limits);
}

function withAttempt({ attempt, history, at, span }: Progress, reason: string): readonly FailedAttempt[] {
  return [...history, { attempt, at, reason: plainReason(reason), ...(span !== undefined && { span }) }];
}

function deadLetter(
  outcome: "rejected" | "failed",
  detail: string,
  { attempt }: Progress,
  history: readonly FailedAttempt[],
): Next {
  return { kind: "dead-letter", verdict: { outcome, reason: outcome, detail, attempts: attempt }, history };
}
