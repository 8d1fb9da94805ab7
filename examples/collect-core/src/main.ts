import { createLogger, loadSettings, loggableSettings, runProcess, settingsOrExit } from "@plugboard/runtime";
import { composeCore } from "./compose.ts";
import { coreSettings } from "./settings.ts";

const settings = settingsOrExit(() => loadSettings("collect-core", coreSettings, process.env));
const logger = createLogger("collect-core", settings.LOG_LEVEL);
logger.info({ configuration: loggableSettings(coreSettings, settings) }, "starting");
const core = composeCore(settings, logger);
await runProcess(core.lifecycle, logger);
logger.info({ port: core.port }, "listening");
