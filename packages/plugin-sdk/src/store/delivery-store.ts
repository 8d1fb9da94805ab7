import type { DeliveryOutcome } from "@plugboard/contract";
import type { Pool, PoolClient } from "pg";
import type { Received } from "../delivery/received.ts";

/** What `sdk_claim` decided; see the comments above it in sdk-migrations.ts, claims.ts and suspects.ts. */
export type Claim =
  /** `cutShort`: the attempt before ended without recording what became of it. */
  | { readonly kind: "claimed"; readonly attempt: number; readonly cutShort: boolean }
  /** A process ended during an attempt at it, so it is tried as the only suspect of a process: not claimed yet. */
  | { readonly kind: "suspect" }
  /** Processes ended again and again with it as their only suspect: it is the cause. */
  | { readonly kind: "poison"; readonly attempts: number; readonly cuts: string }
  | { readonly kind: "duplicate"; readonly attempts: number; readonly earlier: string }
  | { readonly kind: "superseded"; readonly by: string }
  | { readonly kind: "interrupted"; readonly attempts: number }
  | { readonly kind: "busy"; readonly until: Date }
  | { readonly kind: "behind" };

export interface DeliveryStoreOptions {
  /** How long a claim holds: the handler's deadline and a margin to settle in. */
  readonly leaseMs: number;
  /** A delivery whose attempt was cut short may be attempted again, is resolved first, or is settled as unknown. */
  readonly afterCut: "repeat" | "resolve" | "unknown";
  /** Whether an older revision of a response may not follow a newer one. */
  readonly fence: boolean;
}

/**
 * Attempts of a delivery that are cut short before it is set aside: the first makes it a suspect among all that were under
 * way, and then it was twice the only one.
 */
const CUTS_MAX = 3;
/** How long the newest revision of a response is remembered after its last identity. */
const FENCE_AGE_MS_MAX = 400 * 86_400_000;

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
   * @param alone whether a suspect may be claimed: this process has no other one under way.
   */
  async claim(received: Received, token: string, seq: string | null, alone = false): Promise<Claim> {
    const { rows } = await this.#pool.query<ClaimRow>({
      name: "claim",
      text: "SELECT verdict, attempts, detail, until FROM sdk_claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
      values: [
        received.id,
        received.event.teamId,
        received.orderKey,
        received.event.revision,
        token,
        this.#options.leaseMs,
        seq,
        this.#options.afterCut,
        CUTS_MAX,
        this.#options.fence,
        alone,
      ],
    });
    const [row] = rows;
    if (row === undefined) throw new Error("sdk_claim gave no row");
    return asClaim(row);
  }

  /**
   * Records an end, and removes the entry of `retries` if there is one: one statement, so never only half. Answers the outcome in
   * force: another's, when that came first.
   */
  async settle(id: string, outcome: DeliveryOutcome, reason: string | null): Promise<DeliveryOutcome | null> {
    const { rows } = await this.#pool.query<{ outcome: DeliveryOutcome | null }>({
      name: "settle",
      text: `WITH gone AS (DELETE FROM retries WHERE delivery_id = $1), ended AS (
               UPDATE deliveries SET state = 'settled', outcome = $2, reason = $3, settled_at = now(), lease_until = NULL
               WHERE id = $1 AND state <> 'settled' RETURNING outcome)
             SELECT outcome FROM ended UNION ALL SELECT outcome FROM deliveries WHERE id = $1 AND state = 'settled'`,
      values: [id, outcome, reason],
    });
    return rows[0]?.outcome ?? null;
  }

  /**
   * Runs `work` in a transaction that ends with the record that the delivery was delivered.
   * @param of the delivery, and the token it was claimed with.
   * @throws when the claim is no longer held; then nothing has happened.
   */
  async transaction<T>(
    pool: Pool,
    of: { readonly id: string; readonly token: string },
    work: (client: PoolClient) => Promise<T>,
  ): Promise<T> {
    const client = await pool.connect();
    let broken = true;
    try {
      await client.query("BEGIN");
      const result = await work(client);
      const { rowCount } = await client.query(
        `WITH gone AS (DELETE FROM retries WHERE delivery_id = $1)
         UPDATE deliveries SET state = 'settled', outcome = 'delivered', reason = NULL, settled_at = now(), lease_until = NULL
         WHERE id = $1 AND state = 'started' AND owner = $2`,
        [of.id, of.token],
      );
      if (rowCount !== 1) throw new Error("the attempt's time was over: its writes are undone");
      await client.query("COMMIT");
      broken = false;
      return result;
    } catch (error) {
      broken = await client.query("ROLLBACK").then(
        () => false,
        () => true,
      );
      throw error;
    } finally {
      client.release(broken);
    }
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

  /**
   * Deletes identities settled longer ago than `ageMs`, at most `limit`; answers how many. What they say of the newest
   * revision of their response is kept, for a fence.
   */
  async deleteOlderThan(ageMs: number, limit: number): Promise<number> {
    const { rows } = await this.#pool.query<{ count: string }>(
      `WITH old AS (
         DELETE FROM deliveries WHERE id IN (
           SELECT id FROM deliveries WHERE state = 'settled' AND settled_at < now() - $1 * interval '1 ms'
           ORDER BY settled_at LIMIT $2)
         RETURNING team, order_key, revision, outcome
       ), kept AS (
         INSERT INTO sdk_fences AS f (team, order_key, revision)
           SELECT team, order_key, max(revision) FROM old
           WHERE $3 AND outcome IN ('delivered', 'unknown') AND revision IS NOT NULL AND order_key IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
           ON CONFLICT (team, order_key) DO UPDATE SET revision = greatest(f.revision, excluded.revision), kept_since = now()
       )
       SELECT count(*) FROM old`,
      [ageMs, limit, this.#options.fence],
    );
    return Number(rows[0]?.count ?? 0);
  }

  /** Forgets revisions that no identity was added to for a long time, at most `limit`; answers how many. */
  async deleteOldFences(limit: number): Promise<number> {
    const { rowCount } = await this.#pool.query(
      `DELETE FROM sdk_fences WHERE (team, order_key) IN (
         SELECT team, order_key FROM sdk_fences WHERE kept_since < now() - $1 * interval '1 ms' ORDER BY kept_since LIMIT $2)`,
      [FENCE_AGE_MS_MAX, limit],
    );
    return rowCount ?? 0;
  }
}

function asClaim({ verdict, attempts, detail, until }: ClaimRow): Claim {
  switch (verdict) {
    case "claimed":
      return { kind: verdict, attempt: attempts, cutShort: detail === "cut-short" };
    case "suspect":
      return { kind: verdict };
    case "poison":
      return { kind: verdict, attempts, cuts: detail ?? "" };
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
