-- CreateTable
CREATE TABLE "plugins" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "events" TEXT[],
    "priority_events" TEXT[],
    "settings_schema" JSON NOT NULL,
    "accepts_empty" BOOLEAN NOT NULL,
    "actions" JSON NOT NULL,
    "sync_deadline_ms" INTEGER,
    "public_key" JSONB,
    "pending_approval" JSONB,
    "status" TEXT NOT NULL,
    "registered_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "plugins_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "teams" (
    "id" TEXT NOT NULL,
    "quota_events_per_second" DOUBLE PRECISION,
    "quota_burst" INTEGER,

    CONSTRAINT "teams_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "team_plugins" (
    "team_id" TEXT NOT NULL,
    "plugin_id" TEXT NOT NULL,
    "enabled" BOOLEAN NOT NULL,
    "forms" JSONB,
    "filter" TEXT,
    "mode" TEXT NOT NULL,
    "on_failure" TEXT NOT NULL,
    "settings" JSON,
    "settings_version" INTEGER NOT NULL DEFAULT 0,
    "settings_state" TEXT NOT NULL,
    "reasons" JSONB NOT NULL,
    "ready" BOOLEAN NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "team_plugins_pkey" PRIMARY KEY ("team_id","plugin_id")
);

-- CreateTable
CREATE TABLE "routing_entries" (
    "key" TEXT NOT NULL,
    "v" INTEGER NOT NULL,
    "entry" JSON NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "routing_entries_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "routing_history" (
    "key" TEXT NOT NULL,
    "v" INTEGER NOT NULL,
    "entry" JSON NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "superseded_at" TIMESTAMPTZ(3),

    CONSTRAINT "routing_history_pkey" PRIMARY KEY ("key","v")
);

-- CreateTable
CREATE TABLE "routing_outbox" (
    "id" BIGSERIAL NOT NULL,
    "key" TEXT NOT NULL,
    "v" INTEGER NOT NULL,
    "entry" JSON NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "routing_outbox_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "routing_state" (
    "id" INTEGER NOT NULL,
    "epoch" TEXT NOT NULL,
    "seq" BIGINT NOT NULL,
    "rebuilt_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "routing_state_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "initialize_outbox" (
    "team_id" TEXT NOT NULL,
    "plugin_id" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_attempt_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "initialize_outbox_pkey" PRIMARY KEY ("team_id","plugin_id")
);

-- CreateTable
CREATE TABLE "topic_deletions" (
    "plugin_id" TEXT NOT NULL,
    "due_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "topic_deletions_pkey" PRIMARY KEY ("plugin_id")
);

-- CreateIndex
CREATE INDEX "team_plugins_plugin_id_team_id_idx" ON "team_plugins"("plugin_id", "team_id");

-- CreateIndex
CREATE INDEX "team_plugins_plugin_id_settings_state_team_id_idx" ON "team_plugins"("plugin_id", "settings_state", "team_id");

-- CreateIndex
CREATE INDEX "team_plugins_plugin_id_enabled_idx" ON "team_plugins"("plugin_id", "enabled");

-- CreateIndex
CREATE INDEX "routing_history_superseded_at_idx" ON "routing_history"("superseded_at");

-- CreateIndex
CREATE INDEX "routing_outbox_key_idx" ON "routing_outbox"("key");

-- CreateIndex
CREATE INDEX "initialize_outbox_plugin_id_next_attempt_at_idx" ON "initialize_outbox"("plugin_id", "next_attempt_at");

-- CreateIndex
CREATE INDEX "topic_deletions_due_at_idx" ON "topic_deletions"("due_at");

-- AddForeignKey
ALTER TABLE "team_plugins" ADD CONSTRAINT "team_plugins_team_id_fkey" FOREIGN KEY ("team_id") REFERENCES "teams"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "team_plugins" ADD CONSTRAINT "team_plugins_plugin_id_fkey" FOREIGN KEY ("plugin_id") REFERENCES "plugins"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "initialize_outbox" ADD CONSTRAINT "initialize_outbox_plugin_id_fkey" FOREIGN KEY ("plugin_id") REFERENCES "plugins"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "topic_deletions" ADD CONSTRAINT "topic_deletions_plugin_id_fkey" FOREIGN KEY ("plugin_id") REFERENCES "plugins"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
