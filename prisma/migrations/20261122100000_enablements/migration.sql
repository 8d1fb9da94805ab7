-- AlterTable
ALTER TABLE "plugins" ADD COLUMN     "told_enablements" BOOLEAN NOT NULL DEFAULT false;

-- AlterTable
ALTER TABLE "team_plugins" ADD COLUMN     "enabled_version" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "tell_at" TIMESTAMPTZ(3),
ADD COLUMN     "tell_attempts" INTEGER NOT NULL DEFAULT 0;

-- CreateIndex
CREATE INDEX "team_plugins_tell_at_idx" ON "team_plugins"("tell_at");
