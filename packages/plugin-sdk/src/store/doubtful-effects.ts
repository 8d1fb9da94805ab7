const SUPERSEDED_BY_A_NEWER = `
      IF p_fence AND p_revision IS NOT NULL THEN
        SELECT greatest(
          (SELECT max(d.revision) FROM deliveries d
            WHERE d.team = p_team AND d.order_key = p_order_key AND d.revision > p_revision
              AND d.outcome IN ('delivered', 'unknown')),
          (SELECT f.revision FROM sdk_fences f
            WHERE f.team = p_team AND f.order_key = p_order_key AND f.revision > p_revision)) INTO newest;
        IF newest IS NOT NULL THEN
          INSERT INTO deliveries AS d (id, team, order_key, revision, state, outcome, settled_at)
            VALUES (p_id, p_team, p_order_key, p_revision, 'settled', 'superseded', now())
            ON CONFLICT (id) DO UPDATE SET state = 'settled', outcome = 'superseded', settled_at = now();
          RETURN QUERY SELECT 'superseded', coalesce(known.attempts, 0), newest::text, NULL::timestamptz; RETURN;
        END IF;
      END IF;`;

/**
 * Migration: the fence by revision counts effects that may be there (docs/decisions/0134). As sdk_claim of before, but for an
 * older revision that comes when a newer one of its response
 *   ended as unknown                     superseded
 *   was attempted and is not settled     behind; unless one without a revision waits with them, or each would wait for another
 */
export const DOUBTFUL_EFFECTS = `
  CREATE OR REPLACE FUNCTION sdk_claim(
    p_id text, p_team text, p_order_key text, p_revision bigint, p_owner text, p_lease_ms int, p_seq bigint,
    p_after_cut text, p_cut_max int, p_fence boolean, p_alone boolean
  ) RETURNS TABLE (verdict text, attempts int, detail text, until timestamptz) LANGUAGE plpgsql AS $$
  #variable_conflict use_column
  DECLARE
    known deliveries%ROWTYPE;
    busy_until timestamptz;
    newest bigint;
    cuts int;
    how text;
  BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || '/' || p_team || '/' || coalesce(p_order_key, p_id), 0));
    SELECT * INTO known FROM deliveries d WHERE d.id = p_id;
    IF known.state = 'settled' THEN
      RETURN QUERY SELECT 'duplicate', known.attempts, known.outcome, NULL::timestamptz; RETURN;
    END IF;
    IF known.state = 'waiting' AND p_seq IS NULL THEN
      RETURN QUERY SELECT 'duplicate', known.attempts, 'waiting', NULL::timestamptz; RETURN;
    END IF;
    cuts := coalesce(known.cut_short, 0);
    IF known.state = 'started' THEN
      IF known.lease_until > clock_timestamp() THEN
        RETURN QUERY SELECT 'busy', known.attempts, NULL, known.lease_until; RETURN;
      END IF;
      IF p_after_cut = 'unknown' THEN
        UPDATE deliveries d SET state = 'settled', outcome = 'unknown', settled_at = now(),
          reason = 'an attempt was cut short' WHERE d.id = p_id;
        RETURN QUERY SELECT 'interrupted', known.attempts, NULL, NULL::timestamptz; RETURN;
      END IF;
      cuts := cuts + 1;
      how := 'cut-short';
      IF cuts >= p_cut_max THEN
        -- Whoever asked stores its end; until then it is nobody's.
        RETURN QUERY SELECT 'poison', known.attempts, cuts::text, NULL::timestamptz; RETURN;
      END IF;
    END IF;
    IF p_order_key IS NOT NULL THEN
      ${SUPERSEDED_BY_A_NEWER}
      IF EXISTS (SELECT 1 FROM retries r
          WHERE r.team = p_team AND r.order_key = p_order_key AND r.delivery_id <> p_id AND NOT r.decided
            AND (p_seq IS NULL OR r.seq < p_seq)
            AND (NOT p_fence OR p_revision IS NULL OR r.revision IS NULL OR r.revision = p_revision)) THEN
        RETURN QUERY SELECT 'behind', coalesce(known.attempts, 0), NULL, NULL::timestamptz; RETURN;
      END IF;
      SELECT max(d.lease_until) INTO busy_until FROM deliveries d
        WHERE d.team = p_team AND d.order_key = p_order_key AND d.state = 'started' AND d.id <> p_id
          AND d.lease_until > clock_timestamp();
      IF busy_until IS NOT NULL THEN
        RETURN QUERY SELECT 'busy', coalesce(known.attempts, 0), NULL, busy_until; RETURN;
      END IF;
      IF p_fence AND p_revision IS NOT NULL
          AND EXISTS (SELECT FROM deliveries d WHERE d.team = p_team AND d.order_key = p_order_key
            AND d.revision > p_revision AND d.state <> 'settled'
            AND (d.attempts > 0 OR EXISTS (SELECT FROM retries r WHERE r.delivery_id = d.id AND r.unresolved)))
          AND NOT EXISTS (SELECT FROM retries r WHERE r.team = p_team AND r.order_key = p_order_key
            AND r.revision IS NULL AND NOT r.decided) THEN
        RETURN QUERY SELECT 'behind', coalesce(known.attempts, 0), NULL, NULL::timestamptz; RETURN;
      END IF;
      -- Each statement sees what is committed when it begins: a newer one that was under way at the first question, and over at
      -- the ones since, was seen by none of them.
      ${SUPERSEDED_BY_A_NEWER}
    END IF;
    IF cuts > 0 AND NOT p_alone THEN
      RETURN QUERY SELECT 'suspect', coalesce(known.attempts, 0), NULL, NULL::timestamptz; RETURN;
    END IF;
    RETURN QUERY
      INSERT INTO deliveries AS d (id, team, order_key, revision, state, attempts, owner, lease_until)
        VALUES (p_id, p_team, p_order_key, p_revision, 'started', 1, p_owner, clock_timestamp() + p_lease_ms * interval '1 ms')
        ON CONFLICT (id) DO UPDATE SET state = 'started', attempts = d.attempts + 1, owner = p_owner, cut_short = cuts,
          lease_until = clock_timestamp() + p_lease_ms * interval '1 ms'
        RETURNING 'claimed', d.attempts, how, d.lease_until;
  END $$;
`;
