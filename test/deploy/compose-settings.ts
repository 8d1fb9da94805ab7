import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadSettings, settingDoc } from "@plugboard/runtime";
import type { z } from "zod";
import { managerSettings } from "../../apps/manager/src/settings.ts";
import { loadRouterSettings, routerSettings } from "../../apps/router/src/settings.ts";
import { coreSettings } from "../../examples/collect-core/src/settings.ts";
import { resourceEnvironment } from "../../packages/plugin-sdk/src/resources/resource-settings.ts";
import { loadPluginSettings, pluginEnvironment } from "../../packages/plugin-sdk/src/settings/env-settings.ts";
import { googleSheetsEnvironment } from "../../plugins/google-sheets/src/environment.ts";
import { sms } from "../../plugins/sms/src/plugin.ts";
import type { ComposeService } from "./compose-file.ts";

type Environment = Readonly<Record<string, string>>;

interface Reader {
  readonly settings: z.ZodRawShape;
  readonly load: (environment: Environment) => unknown;
}

const plugin = (id: string, own: z.ZodRawShape = {}): Reader => ({
  settings: { ...pluginEnvironment, ...own },
  load: (environment) => [loadPluginSettings(id, environment), loadSettings(id, own, environment)],
});
const process = (name: string, settings: z.ZodRawShape): Reader => ({
  settings,
  load: (environment) => loadSettings(name, settings, environment),
});

/** How each of Plugboard's own services reads its environment. */
export const READERS: Readonly<Record<string, Reader>> = {
  migrate: process("migrate", { DATABASE_URL: managerSettings.DATABASE_URL, LOG_LEVEL: managerSettings.LOG_LEVEL }),
  "manager-1": process("manager", managerSettings),
  "manager-2": process("manager", managerSettings),
  router: { settings: routerSettings, load: loadRouterSettings },
  "google-sheets": plugin("google-sheets", googleSheetsEnvironment),
  sms: plugin("sms", resourceEnvironment("sms", sms.resources ?? {})),
  validator: plugin("validator"),
  "collect-core": process("collect-core", coreSettings),
};

/** The variables that a service is given and that its process does not know. */
export function unknownVariables({ settings }: Reader, environment: Environment): string[] {
  const secret = (name: string) => settingDoc(settings[name] as z.ZodType)?.secret === true;
  return Object.keys(environment).filter(
    (name) => !(name in settings) && !(name.endsWith("_FILE") && secret(name.slice(0, -"_FILE".length))),
  );
}

/** Where a service's secret files are in its container. */
export const SECRETS_MOUNT = "/run/secrets/";

/** A service's environment with its secrets' files where they are on this machine. */
export function withSecretsIn(directory: string, environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      value.startsWith(SECRETS_MOUNT) ? join(directory, value.slice(SECRETS_MOUNT.length)) : value,
    ]),
  );
}

/** Every value that a service is given, those in its secrets' files included. */
export function valuesOf(service: ComposeService, directory: string): string[] {
  return Object.entries(withSecretsIn(directory, service.environment ?? {})).map(([name, value]) =>
    name.endsWith("_FILE") && value.startsWith(directory) ? readFileSync(value, "utf8").trim() : value,
  );
}
