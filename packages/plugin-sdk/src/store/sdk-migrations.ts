import { ENABLEMENTS } from "../enablement/enablement-store.ts";
import { CLAIMS } from "./claims.ts";
import { DOUBTFUL_EFFECTS } from "./doubtful-effects.ts";
import { RETRY_TURNS } from "./retry-turns.ts";
import { SUSPECTS } from "./suspects.ts";
import { WOKEN_BEHIND_A_TAKE } from "./woken-behind-a-take.ts";

/**
 * The SDK's tables in a plugin's schema: `deliveries`, `retries`, `team_settings`, and those whose names begin with `sdk_`. These
 * names are taken; a plugin's own migrations use others. Never edit an entry: add one.
 */
export const SDK_MIGRATIONS: readonly string[] = [
  `
  -- A team's settings as they were received: secrets are still sealed. Only the newest version is kept.
  -- json, not jsonb, here and below: what people write may hold \\u0000, which jsonb refuses.
  CREATE TABLE team_settings (
    team text PRIMARY KEY,
    version bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('applied', 'refused')),
    settings json NOT NULL,
    reasons json NOT NULL DEFAULT '[]',
    updated_at timestamptz NOT NULL DEFAULT now()
  );

  -- One row per delivery identity.
  --   (none) ──claim──► started ──settle──► settled
  --                      │   ▲
  --              put off ▼   │ claim, when due
  --                     waiting            (a copy of the record stands in retries)
  -- A row left 'started' past lease_until belongs to an attempt that was cut short.
  CREATE TABLE deliveries (
    id text PRIMARY KEY,
    team text NOT NULL,
    order_key text,
    revision bigint,
    state text NOT NULL CHECK (state IN ('started', 'waiting', 'settled')),
    outcome text,
    reason text,
    attempts int NOT NULL DEFAULT 0,
    owner text,
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz
  );
  CREATE INDEX deliveries_of_key ON deliveries (team, order_key, revision) WHERE order_key IS NOT NULL;
  CREATE INDEX deliveries_by_age ON deliveries (settled_at) WHERE state = 'settled';

  -- Deliveries that are not settled yet but whose offset has moved on, with the record's own bytes. due_at in the future
  -- also means "taken by somebody until then": a crash gives the entry back by itself.
  CREATE TABLE retries (
    seq bigserial PRIMARY KEY,
    delivery_id text NOT NULL UNIQUE,
    team text NOT NULL,
    order_key text,
    revision bigint,
    -- What it waits for: its back-off (retry), its team's settings (settings), an earlier delivery of the same key
    -- (order), another attempt at it (busy), a newer routing table (table), or to be written as a dead letter.
    waiting_for text NOT NULL,
    record_key bytea,
    record_value bytea,
    record_headers json NOT NULL,
    origin text,
    -- Its end, once decided: {"outcome","reason","detail"}; from then on only its dead letter is missing.
    verdict json,
    history json NOT NULL DEFAULT '[]',
    stored_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL,
    taken_by text
  );
  CREATE INDEX retries_due ON retries (team, due_at, seq);
  CREATE INDEX retries_of_key ON retries (team, order_key, seq) WHERE order_key IS NOT NULL;
  `,
  `
  -- Claims a delivery for one attempt. Everything that must be decided at one moment is decided here, under a lock per
  -- (team, order key): two instances, or the live lane and a retry, never work on one response at the same time.
  -- Each statement of the function sees what was committed before it, so the lock is taken first.
  --
  --   claimed      go ahead; attempts counts this one
  --   duplicate    settled before, or a copy of one that is waiting
  --   superseded   a newer revision of the response was delivered: now settled
  --   interrupted  an earlier attempt was cut short and repeating is not safe: now settled as unknown
  --   busy         another attempt of it, or of the same key, is under way until 'until'
  --   behind       an earlier delivery of the same key waits in retries
  --
  -- p_seq is the entry in retries it comes from; null when it comes from the topic.
  CREATE FUNCTION claim_delivery(
    p_id text, p_team text, p_order_key text, p_revision bigint,
    p_owner text, p_lease_ms int, p_seq bigint, p_repeat boolean
  ) RETURNS TABLE (verdict text, attempts int, detail text, until timestamptz) LANGUAGE plpgsql AS $$
  #variable_conflict use_column
  DECLARE
    known deliveries%ROWTYPE;
    busy_until timestamptz;
    newest bigint;
  BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || '/' || p_team || '/' || coalesce(p_order_key, p_id), 0));
    SELECT * INTO known FROM deliveries d WHERE d.id = p_id;
    IF known.state = 'settled' THEN
      RETURN QUERY SELECT 'duplicate', known.attempts, known.outcome, NULL::timestamptz; RETURN;
    END IF;
    IF known.state = 'waiting' AND p_seq IS NULL THEN
      RETURN QUERY SELECT 'duplicate', known.attempts, 'waiting', NULL::timestamptz; RETURN;
    END IF;
    IF known.state = 'started' THEN
      IF known.lease_until > clock_timestamp() THEN
        RETURN QUERY SELECT 'busy', known.attempts, NULL, known.lease_until; RETURN;
      END IF;
      IF NOT p_repeat THEN
        UPDATE deliveries d SET state = 'settled', outcome = 'unknown', settled_at = now(),
          reason = 'an attempt was cut short' WHERE d.id = p_id;
        RETURN QUERY SELECT 'interrupted', known.attempts, NULL, NULL::timestamptz; RETURN;
      END IF;
    END IF;
    IF p_order_key IS NOT NULL THEN
      IF p_revision IS NOT NULL THEN
        SELECT max(d.revision) INTO newest FROM deliveries d
          WHERE d.team = p_team AND d.order_key = p_order_key AND d.revision > p_revision AND d.outcome = 'delivered';
        IF newest IS NOT NULL THEN
          INSERT INTO deliveries AS d (id, team, order_key, revision, state, outcome, settled_at)
            VALUES (p_id, p_team, p_order_key, p_revision, 'settled', 'superseded', now())
            ON CONFLICT (id) DO UPDATE SET state = 'settled', outcome = 'superseded', settled_at = now();
          RETURN QUERY SELECT 'superseded', coalesce(known.attempts, 0), newest::text, NULL::timestamptz; RETURN;
        END IF;
      END IF;
      IF EXISTS (SELECT 1 FROM retries r
          WHERE r.team = p_team AND r.order_key = p_order_key AND r.delivery_id <> p_id AND r.verdict IS NULL
            AND (p_seq IS NULL OR r.seq < p_seq)
            AND (p_revision IS NULL OR r.revision IS NULL OR r.revision = p_revision)) THEN
        RETURN QUERY SELECT 'behind', coalesce(known.attempts, 0), NULL, NULL::timestamptz; RETURN;
      END IF;
      SELECT max(d.lease_until) INTO busy_until FROM deliveries d
        WHERE d.team = p_team AND d.order_key = p_order_key AND d.state = 'started' AND d.id <> p_id
          AND d.lease_until > clock_timestamp();
      IF busy_until IS NOT NULL THEN
        RETURN QUERY SELECT 'busy', coalesce(known.attempts, 0), NULL, busy_until; RETURN;
      END IF;
    END IF;
    RETURN QUERY
      INSERT INTO deliveries AS d (id, team, order_key, revision, state, attempts, owner, lease_until)
        VALUES (p_id, p_team, p_order_key, p_revision, 'started', 1, p_owner, clock_timestamp() + p_lease_ms * interval '1 ms')
        ON CONFLICT (id) DO UPDATE SET state = 'started', attempts = d.attempts + 1, owner = p_owner,
          lease_until = clock_timestamp() + p_lease_ms * interval '1 ms'
        RETURNING 'claimed', d.attempts, NULL::text, d.lease_until;
  END $$;
  `,
  RETRY_TURNS,
  CLAIMS,
  SUSPECTS,
  DOUBTFUL_EFFECTS,
  WOKEN_BEHIND_A_TAKE,
  ENABLEMENTS,
  // What has changed is asked for many times a second.
  "CREATE INDEX team_settings_changed ON team_settings (updated_at)",
];
