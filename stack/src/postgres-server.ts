import { execFile } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "./free-ports.ts";
import type { Report } from "./maven-artifacts.ts";
import { createOwnedDirectory } from "./owned-directory.ts";
import { type PostgresBinaries, postgresBinaries } from "./postgres-binaries.ts";
import { isReachableByOthers, reachableTwin } from "./reachable.ts";
import { type Supervised, supervise } from "./supervise.ts";
import { waitUntil } from "./wait-until.ts";

const run = promisify(execFile);

export interface PostgresOptions {
  /** Where the data stays; without it the data goes with the server, and is never flushed to disk. */
  readonly dataDirectory?: string;
  /** Any free one without it. */
  readonly port?: number;
  /** The installation to run; without it the machine's newest, else the one that comes as an npm package. */
  readonly binaries?: PostgresBinaries;
  readonly report?: Report;
}

/** A PostgreSQL of one's own. */
export interface PostgresServer {
  readonly url: string;
  /** kill -9 of the whole server. Its data stays. */
  kill(): Promise<void>;
  /** Starts a killed one again, same port and data. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

const READY_MS = 60_000;
const INIT_TIMEOUT_MS = 120_000;
const ATTEMPTS_MAX = 3;
/** Enough for several test processes with pools of their own. */
const CONNECTIONS_MAX = 400;
/** Data that is thrown away need not survive the machine's crash; a kill -9 loses no committed transaction. */
const UNSAFE_AND_FAST = ["-c", "fsync=off", "-c", "full_page_writes=off"];

class PortTaken extends Error {}

/** Starts a private PostgreSQL. It refuses to run as root: as root, it runs as another user. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const keep = options.dataDirectory !== undefined;
  const base = options.dataDirectory === undefined ? createOwnedDirectory() : reachableDirectory(options.dataDirectory);
  const user = process.getuid?.() === 0 ? unprivilegedUser() : undefined;
  const data = join(base, "postgres");
  const binaries = options.binaries ?? (await postgresBinaries(process.env, majorOfData(data)));
  options.report?.(`starting PostgreSQL ${binaries.major}`);
  await initialise(binaries, data, user, keep);
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? ((await freePorts(1))[0] as number);
    const server = new NativePostgres(binaries, base, port, user, keep);
    try {
      await server.start();
      return server;
    } catch (error) {
      if (error instanceof PortTaken && attempt < ATTEMPTS_MAX) continue;
      await server.stop();
      throw error;
    }
  }
}

class NativePostgres implements PostgresServer {
  readonly url: string;
  readonly #binaries: PostgresBinaries;
  readonly #base: string;
  readonly #port: number;
  readonly #user: User | undefined;
  readonly #keep: boolean;
  #running: Supervised | undefined;

  constructor(binaries: PostgresBinaries, base: string, port: number, user: User | undefined, keep: boolean) {
    this.#binaries = binaries;
    this.#base = base;
    this.#port = port;
    this.#user = user;
    this.#keep = keep;
    this.url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  }

  async start(): Promise<void> {
    if (this.#running?.isRunning()) return;
    // The children of a server that was killed a moment ago may still hold its shared memory.
    await waitUntil("PostgreSQL is ready", READY_MS, async () => ((await this.#launch()) ? true : undefined));
  }

  /** @returns false when the data is still in use by what is left of the server before. */
  async #launch(): Promise<boolean> {
    const log = join(this.#base, "postgres.log");
    const data = join(this.#base, "postgres");
    rmSync(log, { force: true });
    // A server that was killed leaves this behind; its number may be another process's by now.
    rmSync(join(data, "postmaster.pid"), { force: true });
    const supervised = await supervise({
      command: join(this.#binaries.directory, "postgres"),
      args: this.#arguments(data),
      cwd: data,
      env: { ...process.env, LC_ALL: "C", PGDATA: data },
      user: this.#user,
      output: { file: log },
      orphanSignal: "QUIT",
    });
    this.#running = supervised;
    return await waitUntil("PostgreSQL is ready", READY_MS, () => {
      const text = readFileSync(log, "utf8");
      if (text.includes("database system is ready to accept connections")) return true;
      if (supervised.isRunning()) return undefined;
      if (text.includes("pre-existing shared memory block")) return false;
      if (text.includes("Address already in use")) throw new PortTaken(`port ${this.#port} is taken`);
      throw new Error(`PostgreSQL ended while starting:\n${text.slice(-2000)}`);
    });
  }

  #arguments(data: string): string[] {
    return [
      ...["-D", data, "-p", String(this.#port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
      // Shared memory in files of the data directory: nothing is left in /dev/shm by a kill.
      ...["-c", "dynamic_shared_memory_type=mmap", "-c", "shared_buffers=64MB"],
      ...["-c", `max_connections=${CONNECTIONS_MAX}`, ...(this.#keep ? [] : UNSAFE_AND_FAST)],
    ];
  }

  async kill(): Promise<void> {
    await this.#running?.end("SIGKILL");
    this.#running = undefined;
  }

  async stop(): Promise<void> {
    // INT: connections are ended, a checkpoint is written. QUIT: at once, recovered at the next start.
    await this.#running?.end(this.#keep ? "SIGINT" : "SIGQUIT");
    this.#running = undefined;
    if (!this.#keep) rmSync(this.#base, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Makes the database cluster unless it is there. */
async function initialise(
  binaries: PostgresBinaries,
  data: string,
  user: User | undefined,
  keep: boolean,
): Promise<void> {
  if (majorOfData(data) !== undefined) return;
  rmSync(data, { recursive: true, force: true });
  mkdirSync(data, { recursive: true });
  chmodSync(data, 0o700);
  if (user !== undefined) chownSync(data, user.uid, user.gid);
  const settings = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", ...(keep ? [] : ["--no-sync"])];
  await run(join(binaries.directory, "initdb"), ["-D", data, ...settings], {
    ...user,
    cwd: data,
    env: { ...process.env, LC_ALL: "C" },
    timeout: INIT_TIMEOUT_MS,
  });
}

/** The version that made the data; undefined when it was never finished. */
function majorOfData(data: string): number | undefined {
  const version = join(data, "PG_VERSION");
  // initdb writes PG_VERSION first; the control file comes with the bootstrap.
  if (!existsSync(version) || !existsSync(join(data, "global", "pg_control"))) return undefined;
  return Number(readFileSync(version, "utf8").trim());
}

/** The directory itself, or a place another user can reach when we are root and it lies under a closed one. */
function reachableDirectory(directory: string): string {
  mkdirSync(directory, { recursive: true });
  if (process.getuid?.() !== 0 || isReachableByOthers(directory)) return directory;
  return reachableTwin(directory);
}

/** Who runs PostgreSQL when we are root: `postgres` if the machine has it, else `nobody`. */
function unprivilegedUser(): User {
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  for (const name of ["postgres", "nobody"]) {
    const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(":") ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  return { uid: statSync("/").uid === 0 ? 65_534 : statSync("/").uid, gid: 65_534 };
}
