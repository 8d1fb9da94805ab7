import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ServiceName } from "./choose-source.ts";
import { CONTAINER_IMAGES, kafkaContainerEnvironment } from "./container-images.ts";
import { freePorts } from "./free-ports.ts";
import { projectRoot } from "./project-paths.ts";
import type { RunningService, StartService } from "./running-service.ts";

const run = promisify(execFile);

/** Longest an engine may take to say that it is there. */
const ENGINE_ANSWER_MS = 10_000;
/** Pulling an image included. */
const START_MS = 10 * 60_000;

/** Whether a container engine answers: Docker, Podman, Colima or whatever testcontainers knows to find. */
export async function containerEngineAnswers(): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer")), ENGINE_ANSWER_MS);
  });
  try {
    const { getContainerRuntimeClient } = await import("testcontainers");
    await Promise.race([getContainerRuntimeClient(), late]);
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/** As {@link containerEngineAnswers}, for an engine that understands a compose file as well. */
export async function composeAnswers(): Promise<boolean> {
  if (!(await containerEngineAnswers())) return false;
  return await run("docker", ["compose", "version"], { timeout: ENGINE_ANSWER_MS }).then(
    () => true,
    () => false,
  );
}

/** Containers that go with this process: testcontainers' own reaper sees to that. */
export const ephemeralContainers: StartService = async (name, report) => {
  report(`container ${CONTAINER_IMAGES[name]}`);
  const { GenericContainer, Wait } = await import("testcontainers");
  const [port = 0] = await freePorts(1);
  const inside = containerPort(name, port);
  const container = await new GenericContainer(CONTAINER_IMAGES[name])
    .withExposedPorts({ container: inside, host: port })
    .withEnvironment(
      name === "kafka"
        ? kafkaContainerEnvironment(String(port))
        : name === "postgres"
          ? { POSTGRES_HOST_AUTH_METHOD: "trust" }
          : {},
    )
    .withCommand(name === "postgres" ? ["postgres", "-c", "max_connections=400", "-c", "fsync=off"] : [])
    .withWaitStrategy(Wait.forLogMessage(...READY[name]))
    .withStartupTimeout(START_MS)
    .start();
  return {
    address: addressOf(name, port),
    how: `container ${CONTAINER_IMAGES[name]}`,
    stop: async () => {
      await container.stop();
    },
  };
};

/** What each image logs when it serves, and how often: PostgreSQL's starts twice, first to prepare its data. */
const READY: Readonly<Record<ServiceName, readonly [RegExp, number]>> = {
  kafka: [/Kafka Server started/, 1],
  redis: [/Ready to accept connections/, 1],
  postgres: [/database system is ready to accept connections/, 2],
};

/** What `npm start` runs in containers: not the installation that the root's docker-compose.yml is. */
export const DEVELOPMENT_COMPOSE_FILE = "stack/docker-compose.yml";

/** The services of stack/docker-compose.yml, whose data stays in its volumes. */
export function composedServices(ports: Readonly<Record<ServiceName, number>>): StartService {
  // Two `up` at once would both create the project's network.
  let before: Promise<unknown> = Promise.resolve();
  return (name, report) => {
    const started = before.then(() => up(name, ports, report));
    before = started.catch(() => {});
    return started;
  };
}

async function up(
  name: ServiceName,
  ports: Readonly<Record<ServiceName, number>>,
  report: (doing: string) => void,
): Promise<RunningService> {
  report(`container ${CONTAINER_IMAGES[name]}`);
  const compose = (...args: string[]) =>
    run("docker", ["compose", "-f", join(projectRoot(), DEVELOPMENT_COMPOSE_FILE), ...args], {
      timeout: START_MS,
      env: {
        ...process.env,
        KAFKA_PORT: String(ports.kafka),
        REDIS_PORT: String(ports.redis),
        POSTGRES_PORT: String(ports.postgres),
      },
    });
  await compose("up", "-d", "--wait", name);
  return {
    address: addressOf(name, ports[name]),
    how: `container ${CONTAINER_IMAGES[name]} of ${DEVELOPMENT_COMPOSE_FILE}`,
    stop: async () => {
      await compose("stop", name);
    },
  };
}

function containerPort(name: ServiceName, port: number): number {
  return { kafka: port, redis: 6379, postgres: 5432 }[name];
}

function addressOf(name: ServiceName, port: number): string {
  const address = `127.0.0.1:${port}`;
  return { kafka: address, redis: `redis://${address}`, postgres: `postgres://postgres@${address}/postgres` }[name];
}
