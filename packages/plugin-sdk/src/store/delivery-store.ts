import type { DeliveryOutcome } from "@plugboard/contract";
import type { Pool, PoolClient } from "pg";
import type { Received } from "../delivery/received.ts";
import { together } from "./together.ts";

/** What `sdk_claim` decided; see the comments above it in sdk-migrations.ts, claims.ts and suspects.ts. */
export type Claim =
  /** `cutShort`: the attempt before ended without recording what became of it; `unrecorded`: of this one nothing stands in the database. */
  | { readonly kind: "claimed"; readonly attempt: number; readonly cutShort: boolean; readonly unrecorded?: true }
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

/** Claims, or ends, in one statement, and statements of each kind under way: they share the SDK's connections with all else. */
const TOGETHER = { itemsMax: 64, atOnceMax: 2 };

/** One that asks for a delivery. */
interface Claimant {
  readonly received: Received;
  readonly token: string;
  readonly seq: string | null;
  readonly alone: boolean;
}

/** How a delivery ends. */
interface Ending {
  readonly id: string;
  readonly outcome: DeliveryOutcome;
  readonly reason: string | null;
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
  readonly #claim = together({ ...TOGETHER, ask: (claimants: readonly Claimant[]) => this.#claims(claimants) });
  readonly #settle = together({ ...TOGETHER, ask: (endings: readonly Ending[]) => this.#ends(endings) });

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
    return await this.#claim({ received, token, seq, alone });
  }

  /** Each claim locks its response until the statement ends: all instances do so in the same order. */
  async #claims(claimants: readonly Claimant[]): Promise<Claim[]> {
    const { leaseMs, afterCut, fence } = this.#options;
    const column = <T>(of: (claimant: Claimant) => T) => claimants.map(of);
    const { rows } = await this.#pool.query<ClaimRow & { readonly place: string }>({
      name: "claims",
      text: `SELECT g.place, c.verdict, c.attempts, c.detail, c.until
        FROM (
          SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::boolean[])
            WITH ORDINALITY AS a (id, team, order_key, revision, token, seq, alone, place)
          ORDER BY hashtextextended(current_schema() || '/' || team || '/' || coalesce(order_key, id), 0), place
        ) g CROSS JOIN LATERAL
          sdk_claim(g.id, g.team, g.order_key, g.revision, g.token, $8, g.seq, $9, $10, $11, g.alone) c`,
      values: [
        column(({ received }) => received.id),
        column(({ received }) => received.event.teamId),
        column(({ received }) => received.orderKey),
        column(({ received }) => received.event.revision),
        column(({ token }) => token),
        column(({ seq }) => seq),
        column(({ alone }) => alone),
        leaseMs,
        afterCut,
        CUTS_MAX,
        fence,
      ],
    });
    const claims = new Map(rows.map((row) => [Number(row.place) - 1, asClaim(row)]));
    return claimants.map((_, index) => {
      const claim = claims.get(index);
      if (claim === undefined) throw new Error("sdk_claim gave no row");
      return claim;
    });
  }

  /**
   * Records an end, and removes the entry of `retries` if there is one: one statement, so never only half. Answers the outcome in
   * force: another's, when that came first.
   */
  async settle(id: string, outcome: DeliveryOutcome, reason: string | null): Promise<DeliveryOutcome | null> {
    return await this.#settle({ id, outcome, reason });
  }

  async #ends(endings: readonly Ending[]): Promise<(DeliveryOutcome | null)[]> {
    const { rows } = await this.#pool.query<{ id: string; outcome: DeliveryOutcome }>({
      name: "settle",
      text: `WITH given AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS g (id, outcome, reason)),
             gone AS (DELETE FROM retries WHERE delivery_id = ANY($1)),
             ended AS (
               UPDATE deliveries d SET state = 'settled', outcome = g.outcome, reason = g.reason, settled_at = now(),
                 lease_until = NULL
               FROM given g WHERE d.id = g.id AND d.state <> 'settled' RETURNING d.id, d.outcome)
             SELECT id, outcome FROM ended
             UNION ALL SELECT id, outcome FROM deliveries WHERE id = ANY($1) AND state = 'settled'`,
      values: [endings.map(({ id }) => id), endings.map(({ outcome }) => outcome), endings.map(({ reason }) => reason)],
    });
    const inForce = new Map(rows.map(({ id, outcome }) => [id, outcome]));
    return endings.map(({ id }) => inForce.get(id) ?? null);
  }

  /**
   * Runs `work` in a transaction that ends with the record that the delivery was delivered.
   * @param of the delivery, and the token it was claimed with.
   * @throws when the claim is no longer held; then nothing has happened.
   */
  async transaction<T>(
    pool: Pool,
    of: { readonly id: string; readonly token: string | null },
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
      throw new Error(`sdk_claim decided ${verdict satisfies never}`);
  }
}
