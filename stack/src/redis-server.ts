import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { findExecutable } from "./find-executable.ts";
import { freePorts } from "./free-ports.ts";
import { type Report, redisFromMaven } from "./maven-artifacts.ts";
import { createOwnedDirectory } from "./owned-directory.ts";
import { type Supervised, supervise } from "./supervise.ts";
import { waitUntil } from "./wait-until.ts";

const run = promisify(execFile);

export interface RedisOptions {
  /** Where the data stays; without it nothing is written to disk. */
  readonly dataDirectory?: string;
  /** Any free one without it. */
  readonly port?: number;
  readonly report?: Report;
}

/** A Redis of one's own. */
export interface RedisServer {
  readonly url: string;
  /** kill -9. */
  kill(): Promise<void>;
  /** Starts a killed one again on its port: empty, unless its data has a place. */
  start(): Promise<void>;
  /** Freezes it (SIGSTOP) until `resume`. */
  pause(): Promise<void>;
  resume(): void;
  stop(): Promise<void>;
}

const MAJOR_MIN = 7;
const READY_MS = 30_000;
const ATTEMPTS_MAX = 3;

class PortTaken extends Error {}

/** Starts a private Redis: the machine's redis-server on a port of its own, else one fetched through Maven. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const binary = await redisBinary(process.env, options.report ?? (() => {}));
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? ((await freePorts(1))[0] as number);
    const server = new NativeRedis(binary, port, options.dataDirectory);
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.stop();
      if (!(error instanceof PortTaken) || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

/** The redis-server to run: the machine's when it is new enough. */
async function redisBinary(environment: NodeJS.ProcessEnv, report: Report): Promise<string> {
  const found = findExecutable("redis-server", environment.PATH ?? "");
  if (found !== undefined && (await majorOf(found)) >= MAJOR_MIN) return found;
  const fetched = await redisFromMaven(environment, report);
  if (fetched === undefined) {
    throw new Error(
      `there is no Redis for ${process.platform} ${process.arch}; install redis-server ${MAJOR_MIN} or newer`,
    );
  }
  return fetched;
}

async function majorOf(binary: string): Promise<number> {
  const { stdout } = await run(binary, ["--version"]).catch(() => ({ stdout: "" }));
  return Number(/v=(\d+)\./.exec(stdout)?.[1] ?? 0);
}

class NativeRedis implements RedisServer {
  readonly url: string;
  readonly #binary: string;
  readonly #port: number;
  readonly #dataDirectory: string | undefined;
  readonly #directory: string;
  #running: Supervised | undefined;

  constructor(binary: string, port: number, dataDirectory: string | undefined) {
    this.#binary = binary;
    this.#port = port;
    this.#dataDirectory = dataDirectory;
    this.#directory = dataDirectory ?? createOwnedDirectory();
    mkdirSync(this.#directory, { recursive: true });
    this.url = `redis://127.0.0.1:${port}`;
  }

  async start(): Promise<void> {
    if (this.#running?.isRunning()) return;
    const log = join(this.#directory, "redis.log");
    rmSync(log, { force: true });
    const keep = this.#dataDirectory !== undefined;
    const supervised = await supervise({
      command: this.#binary,
      args: [
        ...["--bind", "127.0.0.1", "--port", String(this.#port), "--dir", this.#directory],
        ...["--save", "", "--appendonly", keep ? "yes" : "no", "--maxmemory-policy", "noeviction"],
      ],
      env: process.env,
      output: { file: log },
    });
    this.#running = supervised;
    await waitUntil("Redis is ready", READY_MS, () => {
      const text = readFileSync(log, "utf8");
      if (text.includes("Ready to accept connections")) return true;
      if (supervised.isRunning()) return undefined;
      if (text.includes("Address already in use")) throw new PortTaken(`port ${this.#port} is taken`);
      throw new Error(`Redis ended while starting:\n${text.slice(-2000)}`);
    });
  }

  async kill(): Promise<void> {
    await this.#running?.end("SIGKILL");
    this.#running = undefined;
  }

  async pause(): Promise<void> {
    await this.#running?.freeze();
  }

  resume(): void {
    this.#running?.child.kill("SIGCONT");
  }

  async stop(): Promise<void> {
    await this.#running?.end(this.#dataDirectory === undefined ? "SIGKILL" : "SIGTERM");
    this.#running = undefined;
    if (this.#dataDirectory === undefined) rmSync(this.#directory, { recursive: true, force: true });
  }
}
