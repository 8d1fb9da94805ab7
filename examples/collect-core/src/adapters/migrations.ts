/**
 * The core's tables, one statement list per version, applied once each and never edited afterwards.
 *
 * JSON is kept as `json`, not `jsonb`: the answers' order is the form's, and the text stored is the text emitted.
 * A flag is open while its revision is the response's current one: nothing has to be updated when a correction comes, so a
 * flag and a correction that cross each other cannot disagree.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE forms (
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    id text PRIMARY KEY,
    team text NOT NULL,
    title text NOT NULL,
    questions json NOT NULL,
    question_count int NOT NULL,
    version int NOT NULL DEFAULT 1
  );

  CREATE TABLE responses (
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    id text PRIMARY KEY,
    form_id text NOT NULL REFERENCES forms (id),
    team text NOT NULL,
    collector text,
    revision int NOT NULL,
    submitted_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    idempotency_key text,
    fingerprint text
  );
  CREATE UNIQUE INDEX responses_idempotency ON responses (form_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
  CREATE INDEX responses_of_form ON responses (form_id, seq DESC) WHERE deleted_at IS NULL;
  CREATE INDEX responses_latest ON responses (seq DESC) WHERE deleted_at IS NULL;

  CREATE TABLE revisions (
    response_id text NOT NULL REFERENCES responses (id),
    revision int NOT NULL,
    data json NOT NULL,
    sync json,
    collector text,
    at timestamptz NOT NULL,
    PRIMARY KEY (response_id, revision)
  );

  CREATE TABLE flags (
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    response_id text NOT NULL REFERENCES responses (id),
    revision int NOT NULL,
    plugin text NOT NULL,
    rule text NOT NULL,
    message text NOT NULL,
    fields json NOT NULL,
    outdated boolean NOT NULL,
    collector text,
    form_id text NOT NULL,
    response_seq bigint NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (response_id, revision, plugin, rule)
  );
  CREATE INDEX flags_of_collector ON flags (collector, seq DESC) WHERE NOT outdated;
  CREATE INDEX flags_of_form ON flags (form_id, response_seq DESC) WHERE NOT outdated;

  CREATE TABLE commands (id text PRIMARY KEY, received_at timestamptz NOT NULL DEFAULT now());

  CREATE TABLE outbox (
    lane smallint NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    type text NOT NULL,
    team text NOT NULL,
    form_id text NOT NULL,
    response_id text,
    revision int,
    at timestamptz NOT NULL,
    -- Of form events; a response's is in its revision.
    data json,
    bytes int NOT NULL,
    PRIMARY KEY (lane, seq)
  ) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);

  CREATE TABLE outbox_lanes (lane smallint PRIMARY KEY);
  INSERT INTO outbox_lanes SELECT generate_series(0, 7);
  `,
];
