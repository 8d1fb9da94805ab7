import type { Clock } from "@plugboard/runtime";
import type { SdkMetrics } from "../metrics.ts";
import type { PutOff, RetryStore } from "../store/retry-store.ts";
import type { TakenEntry, Verdict, WaitingFor } from "../store/taken-entry.ts";
import { plainReason } from "./decide-next.ts";
import { persisted } from "./persisted.ts";
import type { MalformedRecord, Received } from "./received.ts";
import { WAIT_AGE_MS_MAX, WAIT_MS } from "./wait-times.ts";

export interface DueLaterParts {
  readonly retries: Pick<RetryStore, "putOff">;
  /** Something became due in `retries` at once. */
  readonly onStored: () => void;
  readonly metrics: SdkMetrics;
  readonly clock: Clock;
}

/** Puts deliveries into the due-time table: what waits, what is to be tried again, and whose dead letter is to be written. */
export class DueLater {
  readonly #parts: DueLaterParts;

  constructor(parts: DueLaterParts) {
    this.#parts = parts;
  }

  /** Stores it, due after `dueInMs`; see {@link PutOff}. */
  async store(
    received: Received,
    waitingFor: WaitingFor,
    dueInMs: number,
    how: Omit<PutOff, "waitingFor" | "dueInMs">,
  ): Promise<void> {
    const put = { ...how, waitingFor, dueInMs: Math.round(dueInMs) };
    await persisted(() => this.#parts.retries.putOff(received, put));
    if (dueInMs === 0) this.#parts.onStored();
  }

  /** Has it wait, for `leastMs` at least; what has waited for as long as the topic would keep it is given up. */
  async wait(
    received: Received,
    entry: TakenEntry | null,
    waitingFor: keyof typeof WAIT_MS,
    leastMs = 0,
  ): Promise<void> {
    if (entry !== null && this.#parts.clock.now() - entry.storedAtMs > WAIT_AGE_MS_MAX) {
      const detail = `waited too long (for: ${waitingFor})`;
      const attempts = entry.history.at(-1)?.attempt ?? 0;
      const verdict: Verdict = { outcome: "failed", reason: "failed", detail, attempts };
      return await this.store(received, "dead-letter", 0, { token: null, verdict });
    }
    await this.store(received, waitingFor, Math.max(WAIT_MS[waitingFor], leastMs), { token: null });
  }

  /** A record that is no event becomes a dead letter; it has no identity and no outcome record. */
  async refuse(malformed: MalformedRecord): Promise<void> {
    const detail = plainReason(malformed.problems.join("; "));
    const verdict: Verdict = { outcome: null, reason: malformed.reason, detail, attempts: 0 };
    const put = { waitingFor: "dead-letter", dueInMs: 0, history: [], verdict, token: null } as const;
    await this.#parts.retries.putOff(malformed, put);
    this.#parts.metrics.malformed.inc({ reason: malformed.reason });
    this.#parts.onStored();
  }
}
