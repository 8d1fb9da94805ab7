import {
  createLogger,
  Lifecycle,
  loadSettings,
  loggableSettings,
  runProcess,
  settingsOrExit,
} from "@plugboard/runtime";
import { composeManager } from "./compose.ts";
import { managerSettings } from "./settings.ts";

const settings = settingsOrExit(() => loadSettings("manager", managerSettings, process.env));
const logger = createLogger("manager", settings.LOG_LEVEL);
logger.info(loggableSettings(managerSettings, settings), "settings");
const { components } = composeManager(settings, { logger });
await runProcess(new Lifecycle(components, { logger }), logger);
