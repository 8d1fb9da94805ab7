import type { HealthReport } from "@plugboard/runtime";
import type { MetricObjectWithValues, MetricValue } from "prom-client";
import type { RouterStatus } from "../domain/router-status.ts";

/** What the process asks a thread. */
export interface Answers {
  readonly health: HealthReport;
  readonly metrics: readonly MetricObjectWithValues<MetricValue<string>>[];
  readonly status: RouterStatus;
}

export type Question = keyof Answers;

export type ToThread =
  | { readonly kind: "ask"; readonly id: number; readonly question: Question }
  | { readonly kind: "stop" };

export type FromThread =
  | { readonly kind: "started" }
  /** It cannot go on; it ends after this. */
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "answer"; readonly id: number; readonly answer: Answers[Question] }
  | { readonly kind: "no-answer"; readonly id: number; readonly reason: string };

/** What a thread is started with. */
export interface ThreadStart {
  /** From 0. */
  readonly thread: number;
}
