import { createLogger, loadSettings, loggableSettings, runProcess, SettingsError } from "@plugboard/runtime";
import { composeCore } from "./compose.ts";
import { coreSettings } from "./settings.ts";

try {
  const settings = loadSettings("collect-core", coreSettings, process.env);
  const logger = createLogger("collect-core", settings.LOG_LEVEL);
  logger.info({ configuration: loggableSettings(coreSettings, settings) }, "starting");
  const core = composeCore(settings, logger);
  await runProcess(core.lifecycle, logger);
  logger.info({ port: core.port }, "listening");
} catch (error) {
  if (!(error instanceof SettingsError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
