-- AlterTable
ALTER TABLE "team_plugins" ADD COLUMN     "reseal_at" TIMESTAMPTZ(3);

-- CreateIndex
CREATE INDEX "team_plugins_reseal_at_idx" ON "team_plugins"("reseal_at");
