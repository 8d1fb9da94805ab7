import { join } from "node:path";
import { createLogger, env, loadSettings, logSettings, setting, settingsOrExit } from "@plugboard/runtime";
import { applyMigrations } from "./adapters/migration-runner.ts";

/** `npm run migrate`: applies the manager's migrations to DATABASE_URL and leaves. */
const migrateSettings = {
  DATABASE_URL: setting(env.url("postgres", "postgresql"), "The manager's database.", { secret: true }),
  ...logSettings,
};
const settings = settingsOrExit(() => loadSettings("migrate", migrateSettings, process.env));
const logger = createLogger("migrate", settings.LOG_LEVEL);
const directory = join(import.meta.dirname, "../../../prisma/migrations");
try {
  const applied = await applyMigrations(settings.DATABASE_URL, directory);
  logger.info({ applied }, applied.length === 0 ? "the database is up to date" : "migrations applied");
} catch (error) {
  logger.fatal({ error }, "migration failed");
  process.exitCode = 1;
}
