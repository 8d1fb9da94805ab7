import { createLogger, Lifecycle, loggableSettings, runProcess, settingsOrExit } from "@plugboard/runtime";
import { composeRouter } from "./compose.ts";
import { loadRouterSettings, routerSettings } from "./settings.ts";
import { composeThreads } from "./threads/compose-threads.ts";

const settings = settingsOrExit(() => loadRouterSettings(process.env));
const logger = createLogger("router", settings.LOG_LEVEL);
logger.info(loggableSettings(routerSettings, settings), "settings");
const compose = settings.ROUTER_THREADS === 1 ? composeRouter : composeThreads;
const { components } = compose(settings, { logger });
await runProcess(new Lifecycle(components, { logger }), logger);
