import type { DeliveryOutcome } from "@plugboard/contract";
import type { Received } from "../delivery/received.ts";
import type { Claim, DeliveryStore } from "./delivery-store.ts";
import type { RetryStore } from "./retry-store.ts";

/** What attempts ask of the identity records. */
export interface Identities extends Pick<DeliveryStore, "claim" | "transaction" | "forget"> {
  /** @param token the claim's; null when nothing was written down of it. */
  settle(
    id: string,
    outcome: DeliveryOutcome,
    reason: string | null,
    token: string | null,
  ): Promise<DeliveryOutcome | null>;
}

/** What becomes of deliveries whose attempts are under way when their window lets them go. */
export interface UnderWay {
  /** Stores one, so that its offset may move; false, and nothing is stored, when it is not at its handler (yet, or any more). */
  store(received: Received, leaseMs: number): Promise<boolean>;
  /** To be called when the attempt of one that was stored has ended. */
  ended(received: Received): Promise<void>;
}

const AT_ONCE: Claim = { kind: "claimed", attempt: 1, cutShort: false, unrecorded: true };

/**
 * In place of the identity records, for a plugin that says `identity: "none"`: what comes from the topic is handled and settled
 * with nothing written down, so a copy that comes again is handled again. What has to wait stands in the due-time table with its
 * identity, like any plugin's.
 */
export class UnrecordedDeliveries implements Identities, UnderWay {
  readonly #recorded: Identities;
  readonly #retries: Pick<RetryStore, "handOver">;
  /** Attempts that go on beside their window, by delivery: whether they are settled. As many as late attempts there may be. */
  readonly #beside = new Map<string, boolean>();

  constructor(recorded: Identities, retries: Pick<RetryStore, "handOver">) {
    this.#recorded = recorded;
    this.#retries = retries;
  }

  async claim(received: Received, token: string, seq: string | null, alone?: boolean): Promise<Claim> {
    return seq === null ? AT_ONCE : await this.#recorded.claim(received, token, seq, alone);
  }

  async settle(
    id: string,
    outcome: DeliveryOutcome,
    reason: string | null,
    token: string | null,
  ): Promise<DeliveryOutcome | null> {
    if (token !== null) return await this.#recorded.settle(id, outcome, reason, token);
    if (this.#beside.has(id)) this.#beside.set(id, true);
    return outcome;
  }

  /** @throws always: there is no record for it to be one with. */
  async transaction(): Promise<never> {
    throw new Error('a plugin with identity: "none" has no record to commit with: use context.db');
  }

  async forget(id: string): Promise<void> {
    await this.#recorded.forget(id);
  }

  /** Due when the attempt's time is over, which a crash leaves to any instance. */
  async store(received: Received, leaseMs: number): Promise<boolean> {
    this.#beside.set(received.id, false);
    try {
      await this.#retries.handOver([received], leaseMs);
      return true;
    } catch (error) {
      this.#beside.delete(received.id);
      throw error;
    }
  }

  async ended({ id }: Received): Promise<void> {
    const settled = this.#beside.get(id);
    this.#beside.delete(id);
    // One that is not settled has its entry for what follows.
    if (settled === true) await this.#recorded.forget(id);
  }
}
