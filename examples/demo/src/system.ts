import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { StackAddresses } from "@plugboard/stack";
import { type DevelopmentSecrets, developmentSecrets } from "./development-secrets.ts";
import { callJson } from "./json-client.ts";
import { type Launch, nodeArguments, portFrom, type Service, sharedEnvironment } from "./services.ts";

/** Everything of Plugboard that runs, on top of the stack. */
export interface System {
  readonly manager: Service;
  readonly routers: readonly Service[];
  readonly plugins: ReadonlyMap<string, Service>;
  readonly core: Service;
  readonly tokens: { readonly admin: string; readonly core: string; readonly router: string };
  readonly addresses: StackAddresses;
}

/** Where the emulated vendors answer. */
export interface VendorUrls {
  readonly google: string;
  readonly twilio: string;
}

const MIGRATION_DEADLINE_MS = 60_000;
const PLUGIN_PORTS = { validator: 4201, "google-sheets": 4202, sms: 4203 } as const;

/** Applies the manager's migrations and starts it. */
export async function startManager(
  launch: Launch,
  directory: string,
  addresses: StackAddresses,
): Promise<{ readonly manager: Service; readonly secrets: DevelopmentSecrets }> {
  const secrets = await developmentSecrets(join(directory, "secrets.json"));
  await promisify(execFile)(process.execPath, nodeArguments("apps/manager", "migrate"), {
    env: { ...process.env, ...sharedEnvironment(addresses) },
    timeout: MIGRATION_DEADLINE_MS,
  }).catch((error: { stderr?: string; stdout?: string; message: string }) => {
    throw new Error(`the manager's migrations failed: ${error.stderr || error.stdout || error.message}`);
  });
  const manager = await launch({
    name: "manager",
    package: "apps/manager",
    port: await portFrom(4000),
    env: {
      ...sharedEnvironment(addresses),
      PLUGBOARD_ADMIN_TOKEN: secrets.adminToken,
      PLUGBOARD_SIGNING_KEY: secrets.signingKey,
      // A plugin's port may differ from the last start's; in development nobody has to approve that.
      REGISTRATION_CHANGES: "apply",
    },
  });
  return { manager, secrets };
}

/** Asks the manager for a token. */
export async function mintToken(
  managerUrl: string,
  adminToken: string,
  role: string,
  subject: string,
): Promise<string> {
  const { token } = await callJson<{ token: string }>("POST", `${managerUrl}/v1/tokens`, {
    token: adminToken,
    body: { role, subject },
  });
  return token;
}

/** Starts the example core: it creates the topic `responses`, which the routers wait for. */
export async function startCore(
  launch: Launch,
  addresses: StackAddresses,
  managerUrl: string,
  token: string,
): Promise<Service> {
  return launch({
    name: "collect-core",
    package: "examples/collect-core",
    port: await portFrom(4300),
    env: { ...sharedEnvironment(addresses), MANAGER_URL: managerUrl, MANAGER_TOKEN: token },
  });
}

/** Starts `count` routers of one group, each with a stable identity. */
export async function startRouters(
  launch: Launch,
  addresses: StackAddresses,
  managerUrl: string,
  token: string,
  count: number,
): Promise<Service[]> {
  const routers: Service[] = [];
  for (let n = 1; n <= count; n += 1) {
    routers.push(
      await launch({
        name: `router-${n}`,
        package: "apps/router",
        port: await portFrom(4100 + n - 1),
        env: {
          ...sharedEnvironment(addresses),
          MANAGER_URL: managerUrl,
          MANAGER_TOKEN: token,
          ROUTER_INSTANCE_ID: `router-${n}`,
        },
      }),
    );
  }
  return routers;
}

/** Starts the repository's plugins, each with its own token. */
export async function startPlugins(
  launch: Launch,
  directory: string,
  addresses: StackAddresses,
  managerUrl: string,
  adminToken: string,
  vendors: VendorUrls,
): Promise<Map<string, Service>> {
  const own: Record<string, Record<string, string>> = {
    "google-sheets": { GOOGLE_SHEETS_GOOGLE_BASE_URL: vendors.google },
    sms: { SMS_TWILIO_BASE_URL: vendors.twilio },
  };
  const keys = join(directory, "keys");
  const started = Object.entries(PLUGIN_PORTS).map(async ([id, preferred]) => {
    const token = await mintToken(managerUrl, adminToken, "plugin", id);
    const port = await portFrom(preferred);
    const env = {
      ...sharedEnvironment(addresses),
      MANAGER_URL: managerUrl,
      MANAGER_TOKEN: token,
      PLUGIN_KEYS_DIR: keys,
      ...own[id],
    };
    return [id, await launch({ name: id, package: `plugins/${id}`, port, env })] as const;
  });
  return new Map(await Promise.all(started));
}

/** Writes `dev.json`: where everything is, and development tokens. */
export async function writeDevelopmentFile(
  directory: string,
  system: System,
  teamTokens: Readonly<Record<string, string>>,
  vendors: VendorUrls,
): Promise<string> {
  const file = join(directory, "dev.json");
  const urls = (services: Iterable<readonly [string, Service]>) =>
    Object.fromEntries([...services].map(([id, { url }]) => [id, { url }]));
  const content = {
    manager: { url: system.manager.url },
    routers: system.routers.map(({ url }) => ({ url })),
    core: { url: system.core.url },
    plugins: urls(system.plugins),
    emulators: vendors,
    kafka: { brokers: system.addresses.kafkaBrokers },
    redis: { url: system.addresses.redisUrl },
    postgres: { url: system.addresses.databaseUrl },
    tokens: { ...system.tokens, teams: teamTokens },
  };
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  return file;
}
