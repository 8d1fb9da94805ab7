import { join } from "node:path";
import { Listr } from "listr2";
import { chooseSources, SERVICE_NAMES, type ServiceName, type Source } from "./choose-source.ts";
import { composeAnswers, composedServices, containerEngineAnswers, ephemeralContainers } from "./container-services.ts";
import type { Report } from "./maven-artifacts.ts";
import { nativeServices } from "./native-services.ts";
import { type PersistentPlace, takePersistentPlace } from "./persistent-place.ts";
import { probeKafka, probePostgres, probeRedis } from "./probe.ts";
import { projectRoot } from "./project-paths.ts";
import type { RunningService, StartService } from "./running-service.ts";
import type { StackAddresses } from "./test-environment.ts";

export interface StackOptions {
  /** `ephemeral`: nothing is left at the end. `persistent`: a second start finds the data again. */
  readonly mode: "ephemeral" | "persistent";
  /** Where a persistent stack keeps its data; `.plugboard/stack` of the repository without it. */
  readonly dataDir?: string;
  /** Stands above the progress. */
  readonly title?: string;
  /** No progress at all. */
  readonly quiet?: boolean;
}

/** Kafka, Redis and PostgreSQL that answer. */
export interface RunningStack {
  readonly addresses: StackAddresses;
  /** Where each came from, in words. */
  readonly how: Readonly<Record<ServiceName, string>>;
  /** Stops what was started here; what the environment named is left alone. */
  stop(): Promise<void>;
}

const TITLES: Readonly<Record<ServiceName, string>> = { kafka: "Kafka", redis: "Redis", postgres: "PostgreSQL" };
const PROBES = { kafka: probeKafka, redis: probeRedis, postgres: probePostgres };

/**
 * Brings up Kafka, Redis and PostgreSQL, each by the first that applies: its address in the environment, a container
 * engine, the machine itself. They do not outlive this process, however it ends.
 * @throws one line that says what is missing and how to get it; whatever had started is stopped.
 */
export async function startStack(options: StackOptions): Promise<RunningStack> {
  const persistent = options.mode === "persistent";
  const sources = await chooseSources(process.env, persistent ? composeAnswers : containerEngineAnswers);
  const place = await placeFor(options, sources);
  const containers = place === undefined ? ephemeralContainers : composedServices(place.ports);
  const native = nativeServices(place);
  const running = new Map<ServiceName, RunningService>();
  const stop = async () => {
    await Promise.allSettled([...running.values()].map((service) => service.stop()));
    place?.release();
  };
  const failures = await runWithProgress(options, async (name, report) => {
    const service = await startFrom(sources[name], { containers, native }, name, report);
    running.set(name, service);
    return service.how;
  });
  const [kafka, redis, postgres] = SERVICE_NAMES.map((name) => running.get(name));
  if (kafka === undefined || redis === undefined || postgres === undefined) {
    await stop();
    throw failures[0] ?? new Error("the stack did not start");
  }
  return {
    addresses: { kafkaBrokers: kafka.address, redisUrl: redis.address, databaseUrl: postgres.address },
    how: { kafka: kafka.how, redis: redis.how, postgres: postgres.how },
    stop,
  };
}

/** A persistent stack needs a place when anything of it is started here. */
async function placeFor(
  options: StackOptions,
  sources: Readonly<Record<ServiceName, Source>>,
): Promise<PersistentPlace | undefined> {
  const ownAny = SERVICE_NAMES.some((name) => sources[name].kind !== "environment");
  if (options.mode === "ephemeral" || !ownAny) return undefined;
  return await takePersistentPlace(options.dataDir ?? join(projectRoot(), ".plugboard", "stack"));
}

async function startFrom(
  source: Source,
  starters: { readonly containers: StartService; readonly native: StartService },
  name: ServiceName,
  report: Report,
): Promise<RunningService> {
  switch (source.kind) {
    case "environment":
      await PROBES[name](source.address);
      return { address: source.address, how: source.variable, stop: async () => {} };
    case "container":
      return await starters.containers(name, report);
    case "native":
      return await starters.native(name, report);
  }
}

/** Starts all three at once and shows how far each is: moving on a terminal, line by line elsewhere. */
async function runWithProgress(
  options: StackOptions,
  start: (name: ServiceName, report: Report) => Promise<string>,
): Promise<Error[]> {
  const failures: Error[] = [];
  const tasks = SERVICE_NAMES.map((name) => ({
    title: TITLES[name],
    task: async (_: unknown, task: { title: string; output: string }) => {
      const report = (doing: string) => {
        task.output = `${TITLES[name]}: ${doing}`;
      };
      try {
        task.title = `${TITLES[name]}: ${await start(name, report)}`;
      } catch (error) {
        failures.push(error as Error);
        throw error;
      }
    },
  }));
  if (options.title !== undefined && !options.quiet) process.stdout.write(`${options.title}\n`);
  await new Listr(tasks, {
    concurrent: true,
    // All are waited for, so that a failure of one leaves none half-started.
    exitOnError: false,
    registerSignalListeners: false,
    renderer: "default",
    fallbackRenderer: "simple",
    silentRendererCondition: options.quiet === true,
  }).run();
  return failures;
}
