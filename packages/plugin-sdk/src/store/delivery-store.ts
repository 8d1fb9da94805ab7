import type { DeliveryOutcome } from "@plugboard/contract";
import type { Pool } from "pg";
import type { Received } from "../delivery/received.ts";

/** What `claim_delivery` decided; see the comment above it in sdk-migrations.ts. */
export type Claim =
  | { readonly kind: "claimed"; readonly attempt: number }
  | { readonly kind: "duplicate"; readonly attempts: number; readonly earlier: string }
  | { readonly kind: "superseded"; readonly by: string }
  | { readonly kind: "interrupted"; readonly attempts: number }
  | { readonly kind: "busy"; readonly until: Date }
  | { readonly kind: "behind" };

export interface DeliveryStoreOptions {
  /** How long a claim holds: the handler's deadline and a margin to settle in. */
  readonly leaseMs: number;
  /** Whether a delivery whose attempt was cut short may be attempted again. */
  readonly repeat: boolean;
}

interface ClaimRow {
  readonly verdict: Claim["kind"];
  readonly attempts: number;
  readonly detail: string | null;
  readonly until: Date | null;
}

/**
 * The identity records: at most one attempt at a delivery is under way, and one that was settled is never attempted
 * again. Between a handler's effect and `settle` stands nothing that this store could know of: a crash there leaves the
 * row `started`, and the plugin's `redeliver` says what that means.
 */
export class DeliveryStore {
  readonly #pool: Pool;
  readonly #options: DeliveryStoreOptions;

  constructor(pool: Pool, options: DeliveryStoreOptions) {
    this.#pool = pool;
    this.#options = options;
  }

  /**
   * @param token names this attempt; only its holder can put the delivery off.
   * @param seq the entry of `retries` it comes from, null when it comes from the topic.
   */
  async claim(received: Received, token: string, seq: string | null): Promise<Claim> {
    const { rows } = await this.#pool.query<ClaimRow>({
      name: "claim",
      text: "SELECT verdict, attempts, detail, until FROM claim_delivery($1, $2, $3, $4, $5, $6, $7, $8)",
      values: [
        received.id,
        received.event.teamId,
        received.orderKey,
        received.event.revision,
        token,
        this.#options.leaseMs,
        seq,
        this.#options.repeat,
      ],
    });
    const [row] = rows;
    if (row === undefined) throw new Error("claim_delivery gave no row");
    return asClaim(row);
  }

  /** Records an end, and removes the entry of `retries` if there is one: one statement, so never only half. */
  async settle(id: string, outcome: DeliveryOutcome, reason: string | null): Promise<void> {
    await this.#pool.query({
      name: "settle",
      text: `WITH gone AS (DELETE FROM retries WHERE delivery_id = $1)
             UPDATE deliveries SET state = 'settled', outcome = $2, reason = $3, settled_at = now(), lease_until = NULL
             WHERE id = $1 AND state <> 'settled'`,
      values: [id, outcome, reason],
    });
  }

  /** Forgets what waits of a delivery without leaving an identity, so that it may come again (a disabled team's). */
  async forget(id: string): Promise<void> {
    await this.#pool.query({
      name: "forget",
      text: `WITH gone AS (DELETE FROM retries WHERE delivery_id = $1)
             DELETE FROM deliveries WHERE id = $1 AND state = 'waiting'`,
      values: [id],
    });
  }

  /** Deletes identities settled longer ago than `ageMs`, at most `limit`; answers how many. */
  async deleteOlderThan(ageMs: number, limit: number): Promise<number> {
    const { rowCount } = await this.#pool.query(
      `DELETE FROM deliveries WHERE id IN (
         SELECT id FROM deliveries WHERE state = 'settled' AND settled_at < now() - $1 * interval '1 ms'
         ORDER BY settled_at LIMIT $2)`,
      [ageMs, limit],
    );
    return rowCount ?? 0;
  }
}

function asClaim({ verdict, attempts, detail, until }: ClaimRow): Claim {
  switch (verdict) {
    case "claimed":
      return { kind: verdict, attempt: attempts };
    case "duplicate":
      return { kind: verdict, attempts, earlier: detail ?? "" };
    case "superseded":
      return { kind: verdict, by: detail ?? "" };
    case "interrupted":
      return { kind: verdict, attempts };
    case "busy":
      return { kind: verdict, until: until ?? new Date() };
    case "behind":
      return { kind: verdict };
    default:
      return verdict satisfies never;
  }
}
