import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  compileCache,
  projectRoot,
  type StackAddresses,
  type Supervised,
  shippedFlags,
  supervise,
  waitUntil,
} from "@plugboard/stack";
import getPort, { portNumbers } from "get-port";

/** One process of the system, as `npm start` runs it: built, configured by environment alone. */
export interface Service {
  readonly name: string;
  readonly url: string;
  readonly logFile: string;
  /** Ends it at once, as a crash would, and starts it again with the same settings. */
  crash(): Promise<void>;
  stop(): Promise<void>;
}

interface ServiceSpec {
  readonly name: string;
  /** Where its `src` and `dist` are, from the repository's root: `apps/manager`. */
  readonly package: string;
  readonly port: number;
  readonly env: Readonly<Record<string, string>>;
}

const READY_DEADLINE_MS = 60_000;
const DRAIN_MS = 30_000;
const LOG_TAIL_CHARS = 2_000;

/** The preferred port, or the next free one above it. */
export function portFrom(preferred: number): Promise<number> {
  return getPort({ port: portNumbers(preferred, preferred + 99) });
}

/** What every process is told. */
export function sharedEnvironment(addresses: StackAddresses): Record<string, string> {
  return {
    KAFKA_BROKERS: addresses.kafkaBrokers,
    REDIS_URL: addresses.redisUrl,
    DATABASE_URL: addresses.databaseUrl,
  };
}

/** Starts a service and waits until it says that it is ready. */
export type Launch = (spec: ServiceSpec) => Promise<Service>;

/**
 * Starts services of this repository.
 * @param directory where their logs go.
 * @param onStarted told of each process as soon as it runs, so that it can be stopped also when it never gets ready.
 */
export function launcher(directory: string, onStarted: (service: Service) => void): Launch {
  const logs = join(directory, "logs");
  return async (spec) => {
    await mkdir(logs, { recursive: true });
    const logFile = join(logs, `${spec.name}.log`);
    const url = `http://127.0.0.1:${spec.port}`;
    let process = await spawnService(spec, logFile);
    let stopped = false;
    const service: Service = {
      name: spec.name,
      url,
      logFile,
      crash: async () => {
        await process.end("SIGKILL");
        if (!stopped) process = await spawnService(spec, logFile);
      },
      stop: async () => {
        stopped = true;
        if (process.isRunning()) await process.end("SIGTERM", DRAIN_MS);
      },
    };
    onStarted(service);
    await ready(spec.name, url, process, logFile);
    return service;
  };
}

/** This file runs built or, in a test, from its source; what it starts runs the same way. */
const FROM_SOURCE = import.meta.filename.endsWith(".ts");

/** Node's arguments to run a main file of a package. */
export function nodeArguments(directory: string, main: string): string[] {
  const inPackage = (path: string) => join(projectRoot(), directory, path);
  return FROM_SOURCE ? ["--conditions=source", inPackage(`src/${main}.ts`)] : [inPackage(`dist/${main}.js`)];
}

function spawnService(spec: ServiceSpec, logFile: string): Promise<Supervised> {
  const {
    PATH = "",
    HOME = "",
    KAFKA_TLS,
    KAFKA_SASL_MECHANISM,
    KAFKA_SASL_USERNAME,
    KAFKA_SASL_PASSWORD,
  } = process.env;
  const given = { KAFKA_TLS, KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD };
  const passed = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return supervise({
    command: process.execPath,
    args: [...shippedFlags(spec.package), ...nodeArguments(spec.package, "main")],
    cwd: projectRoot(),
    env: { PATH, HOME, ...compileCache(), ...passed, ...spec.env, PORT: String(spec.port) },
    output: { file: logFile },
  });
}

async function ready(name: string, url: string, process: Supervised, logFile: string): Promise<void> {
  let last = "no answer yet";
  try {
    await waitUntil(`${name} is ready`, READY_DEADLINE_MS, async () => {
      if (!process.isRunning()) throw new Error(`${name} ended`);
      try {
        const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(3_000) });
        last = await response.text();
        return response.ok || undefined;
      } catch (error) {
        last = (error as Error).message;
        return undefined;
      }
    });
  } catch (error) {
    const log = await readFile(logFile, "utf8").catch(() => "");
    throw new Error(
      `${(error as Error).message}; /readyz said: ${last}; its log (${logFile}) ends with:\n${log.slice(-LOG_TAIL_CHARS)}`,
    );
  }
}
