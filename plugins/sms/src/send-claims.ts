import type { Pool } from "pg";

/**
 * The claims that keep a text from being sent twice: one row per (team, response, rule).
 *
 *     (none) ──claim──► sending ──settle──► sent
 *        ▲                 │ └──found again by the same delivery, or answer lost──► unknown ──answer arrives late──► sent
 *        └────release──────┘      (Twilio surely did not send: refused, 429, no connection)
 */
export const CLAIMS_MIGRATION = `CREATE TABLE sms_claims (
  team text NOT NULL,
  response text NOT NULL,
  rule text NOT NULL,
  state text NOT NULL CHECK (state IN ('sending', 'sent', 'unknown')),
  delivery text NOT NULL,
  message_sid text,
  reason text,
  claimed_at timestamptz NOT NULL DEFAULT now(),
  settled_at timestamptz,
  PRIMARY KEY (team, response, rule))`;

export interface ClaimKey {
  readonly team: string;
  readonly response: string;
  readonly rule: string;
}

export type Claim =
  /** Ours: send. */
  | { readonly kind: "claimed" }
  | { readonly kind: "sent" }
  | { readonly kind: "unknown"; readonly reason: string }
  /** Another delivery of the response is sending right now. */
  | { readonly kind: "busy" };

/** A `sending` row of another delivery is taken for cut short after this long; a send has 10 s. */
const BUSY_SECONDS_MAX = 60;
const CUT_SHORT = "an earlier attempt was cut short after it had begun to send";

/** Takes the right to send, durably, before anything is sent. */
export async function claimSend(db: Pool, { team, response, rule }: ClaimKey, delivery: string): Promise<Claim> {
  const inserted = await db.query(
    "INSERT INTO sms_claims (team, response, rule, state, delivery) VALUES ($1, $2, $3, 'sending', $4) ON CONFLICT DO NOTHING",
    [team, response, rule, delivery],
  );
  if (inserted.rowCount === 1) return { kind: "claimed" };
  const { rows } = await db.query<{ state: "sending" | "sent" | "unknown"; reason: string | null }>(
    `WITH cut_short AS (
       UPDATE sms_claims SET state = 'unknown', reason = $6, settled_at = now()
       WHERE team = $1 AND response = $2 AND rule = $3 AND state = 'sending'
         AND (delivery = $4 OR claimed_at < now() - make_interval(secs => $5))
       RETURNING state, reason)
     SELECT state, reason FROM cut_short
     UNION ALL
     SELECT state, reason FROM sms_claims
     WHERE team = $1 AND response = $2 AND rule = $3 AND NOT EXISTS (SELECT FROM cut_short)`,
    [team, response, rule, delivery, BUSY_SECONDS_MAX, CUT_SHORT],
  );
  const row = rows[0];
  if (row === undefined || row.state === "sending") return { kind: "busy" };
  return row.state === "sent" ? { kind: "sent" } : { kind: "unknown", reason: row.reason ?? CUT_SHORT };
}

/** Records that the text was accepted. */
export async function settleSent(db: Pool, { team, response, rule }: ClaimKey, messageSid: string): Promise<void> {
  await db.query(
    `UPDATE sms_claims SET state = 'sent', message_sid = $4, reason = NULL, settled_at = now()
     WHERE team = $1 AND response = $2 AND rule = $3`,
    [team, response, rule, messageSid],
  );
}

/** Records that nobody knows whether it was sent. */
export async function settleUnknown(db: Pool, { team, response, rule }: ClaimKey, reason: string): Promise<void> {
  await db.query(
    `UPDATE sms_claims SET state = 'unknown', reason = $4, settled_at = now()
     WHERE team = $1 AND response = $2 AND rule = $3 AND state = 'sending'`,
    [team, response, rule, reason],
  );
}

/** Gives the right back: it was surely not sent. */
export async function releaseClaim(db: Pool, { team, response, rule }: ClaimKey, delivery: string): Promise<void> {
  await db.query(
    `DELETE FROM sms_claims
     WHERE team = $1 AND response = $2 AND rule = $3 AND state = 'sending' AND delivery = $4`,
    [team, response, rule, delivery],
  );
}
