/**
 * Migration: whose turn it is in `retries`, so that taking what is due costs the same whether ten entries wait or a
 * million (docs/decisions/0111), and the breakers, which park a team's line.
 */
export const RETRY_TURNS = `
  -- One row per line of entries in retries: a team's, and apart from it the team's decided ends, whose dead letters are to
  -- be written. due_at is never later than the first due entry of the line; who was served goes to the end of those that
  -- are due. While its breaker is not closed, a team's line is parked: it waits until parked_until, and then gives one
  -- entry, the probe.
  CREATE TABLE sdk_retry_lines (
    team text NOT NULL,
    decided boolean NOT NULL,
    due_at timestamptz NOT NULL,
    parked_until timestamptz NOT NULL DEFAULT '-infinity',
    turn_at timestamptz NOT NULL GENERATED ALWAYS AS (greatest(due_at, parked_until)) STORED,
    PRIMARY KEY (team, decided)
  );
  CREATE INDEX sdk_retry_lines_turn ON sdk_retry_lines (turn_at);
  ALTER TABLE retries ADD COLUMN decided boolean NOT NULL GENERATED ALWAYS AS (verdict IS NOT NULL) STORED;
  DROP INDEX retries_due;
  CREATE INDEX retries_in_line ON retries (team, decided, due_at, seq);

  -- Breakers that are not closed, of teams and (team '') of the plugin as a whole.
  CREATE TABLE sdk_breakers (
    team text PRIMARY KEY,
    -- How often in a row it opened: each time for longer.
    opens int NOT NULL DEFAULT 1,
    opened_at timestamptz NOT NULL DEFAULT now(),
    open_until timestamptz NOT NULL,
    -- One delivery tries whether it is over: whoever wrote this, until then.
    probe_until timestamptz,
    reason text NOT NULL
  );

  -- Every write to retries tells its lines. It locks their rows, in one order, until it commits; so whoever takes from a
  -- line has either seen an entry, or is followed by what makes the line due earlier.
  CREATE FUNCTION sdk_note_due() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO sdk_retry_lines AS l (team, decided, due_at, parked_until)
      SELECT f.team, f.decided, f.due_at, coalesce(CASE WHEN NOT f.decided THEN
          (SELECT greatest(b.open_until, b.probe_until) FROM sdk_breakers b WHERE b.team = f.team) END, '-infinity')
        FROM (SELECT team, decided, min(due_at) AS due_at FROM fresh GROUP BY 1, 2) f
        ORDER BY 1, 2
      ON CONFLICT (team, decided) DO UPDATE SET due_at = excluded.due_at WHERE excluded.due_at < l.due_at;
    RETURN NULL;
  END $$;
  CREATE TRIGGER retries_added AFTER INSERT ON retries
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION sdk_note_due();
  CREATE TRIGGER retries_moved AFTER UPDATE ON retries
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION sdk_note_due();
  INSERT INTO sdk_retry_lines (team, decided, due_at)
    SELECT team, decided, min(due_at) FROM retries GROUP BY 1, 2;

  -- An entry is gone: the next of its key need not wait any longer.
  CREATE FUNCTION sdk_wake_next() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    -- Settling a delivery deletes what is seldom there: 4 µs instead of 27.
    IF NOT EXISTS (SELECT FROM gone) THEN RETURN NULL; END IF;
    UPDATE retries r SET due_at = now()
      FROM (SELECT (SELECT n.seq FROM retries n
                    WHERE n.team = g.team AND n.order_key = g.order_key AND n.seq > g.seq AND NOT n.decided
                    ORDER BY n.seq LIMIT 1) AS seq
            FROM gone g WHERE g.order_key IS NOT NULL) next
      WHERE r.seq = next.seq AND r.waiting_for = 'order' AND r.due_at > now();
    RETURN NULL;
  END $$;
  CREATE TRIGGER retries_gone AFTER DELETE ON retries
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION sdk_wake_next();

  -- Takes up to p_limit due entries for p_lease_ms, from as many lines at most, in turns. Of one line it looks at a bounded
  -- number of entries. Those that have to wait for an earlier one of their key become due after it (its end wakes them
  -- sooner), so that the next look does not meet them again.
  CREATE FUNCTION sdk_take_retries(p_limit int, p_lease_ms int, p_taker text, p_without text[])
  RETURNS SETOF retries LANGUAGE plpgsql AS $$
  DECLARE
    lines sdk_retry_lines[];
    line sdk_retry_lines;
    room int := p_limit;
    share int;
    got int;
    visited int := 0;
    next_due timestamptz;
  BEGIN
    SELECT array_agg(l ORDER BY l.turn_at) INTO lines FROM (
      SELECT * FROM sdk_retry_lines t
      WHERE t.turn_at <= now() AND (t.decided OR t.team <> ALL (p_without))
      ORDER BY t.turn_at LIMIT p_limit FOR UPDATE SKIP LOCKED) l;
    FOR round IN 1..2 LOOP
      FOR turn IN 1..coalesce(cardinality(lines), 0) LOOP
        EXIT WHEN room <= 0;
        line := lines[turn];
        visited := greatest(visited, turn);
        -- First round: an equal part each. Second: what the others did not need.
        share := CASE WHEN round = 1 THEN ceil(p_limit::numeric / cardinality(lines)) ELSE room END;
        share := least(share, room);
        IF line.parked_until > '-infinity' THEN
          CONTINUE WHEN round > 1;
          IF EXISTS (SELECT FROM sdk_breakers b WHERE b.team = line.team) THEN
            share := 1;
          ELSE
            -- Closed at the moment at which the line came to be.
            line.parked_until := '-infinity';
            UPDATE sdk_retry_lines t SET parked_until = '-infinity' WHERE t.team = line.team AND NOT t.decided;
          END IF;
        END IF;
        RETURN QUERY SELECT * FROM sdk_take_from_line(line.team, line.decided, share, p_lease_ms, p_taker);
        GET DIAGNOSTICS got = ROW_COUNT;
        room := room - got;
        IF line.parked_until > '-infinity' AND got > 0 THEN
          UPDATE sdk_retry_lines t SET parked_until = now() + p_lease_ms * interval '1 ms'
            WHERE t.team = line.team AND NOT t.decided;
        END IF;
      END LOOP;
    END LOOP;
    FOR turn IN 1..visited LOOP
      line := lines[turn];
      SELECT r.due_at INTO next_due FROM retries r
        WHERE r.team = line.team AND r.decided = line.decided ORDER BY r.due_at LIMIT 1;
      IF next_due IS NULL THEN
        DELETE FROM sdk_retry_lines t WHERE t.team = line.team AND t.decided = line.decided;
      ELSE
        UPDATE sdk_retry_lines t SET due_at = greatest(next_due, clock_timestamp())
          WHERE t.team = line.team AND t.decided = line.decided;
      END IF;
    END LOOP;
  END $$;

  -- Arrays and a constant limit, so that plans do not depend on how many entries a planner thinks there may be.
  CREATE FUNCTION sdk_take_from_line(p_team text, p_decided boolean, p_share int, p_lease_ms int, p_taker text)
  RETURNS SETOF retries LANGUAGE plpgsql AS $$
  DECLARE
    free bigint[];
    behind bigint[];
    ahead timestamptz[];
  BEGIN
    SELECT array_agg(j.seq ORDER BY j.due_at, j.seq) FILTER (WHERE j.ahead IS NULL),
        array_agg(j.seq ORDER BY j.seq) FILTER (WHERE j.ahead IS NOT NULL),
        array_agg(j.ahead ORDER BY j.seq) FILTER (WHERE j.ahead IS NOT NULL)
      INTO free, behind, ahead
      FROM (
        SELECT d.seq, d.due_at, CASE WHEN NOT p_decided AND d.order_key IS NOT NULL THEN (
          SELECT e.due_at FROM retries e
          WHERE e.team = p_team AND e.order_key = d.order_key AND e.seq < d.seq AND NOT e.decided
            AND (d.revision IS NULL OR e.revision IS NULL OR e.revision = d.revision)
          ORDER BY e.seq LIMIT 1) END AS ahead
        FROM (
          SELECT r.seq, r.due_at, r.order_key, r.revision FROM retries r
          WHERE r.team = p_team AND r.decided = p_decided AND r.due_at <= now()
          ORDER BY r.due_at, r.seq LIMIT 64 FOR UPDATE SKIP LOCKED) d) j;
    UPDATE retries r SET due_at = greatest(b.ahead, now()) + interval '1 second', waiting_for = 'order'
      FROM unnest(behind, ahead) AS b (seq, ahead) WHERE r.seq = b.seq;
    RETURN QUERY UPDATE retries r SET due_at = now() + p_lease_ms * interval '1 ms', taken_by = p_taker
      WHERE r.seq = ANY (free[1:p_share]) RETURNING r.*;
  END $$;
`;
