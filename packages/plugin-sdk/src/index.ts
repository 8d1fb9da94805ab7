export { env, setting } from "@plugboard/runtime";
export * from "./define-plugin.ts";
export * from "./outcome.ts";
export { runPlugin } from "./run-plugin.ts";
export { secret } from "./secret.ts";
export { pluginEnvironment } from "./settings/env-settings.ts";
export { ownSettings } from "./settings/own-settings.ts";
export { type RunningPlugin, startPlugin } from "./start-plugin.ts";
