-- AlterTable
ALTER TABLE "team_plugins" ADD COLUMN     "quota_burst" INTEGER,
ADD COLUMN     "quota_events_per_second" DOUBLE PRECISION;
