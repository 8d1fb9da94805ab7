import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { kafkaProperties, singleBroker } from "./kafka-properties.ts";
import { cacheDirectory, projectRoot } from "./project-paths.ts";
import { requireJava, requireMaven } from "./toolchain.ts";

const run = promisify(execFile);

/** A first fetch over a slow line. */
const FETCH_TIMEOUT_MS = 10 * 60_000;
const FORMAT_TIMEOUT_MS = 60_000;
const STAMP = "complete.json";

/** What a native Kafka is run from. */
export interface KafkaArtifacts {
  /** The directory of jars. */
  readonly libraries: string;
  /** The first records of a new cluster's metadata log, as Kafka's own formatter writes them. */
  readonly bootstrapCheckpoint: string;
}

/** Told what is being done that takes a while. */
export type Report = (doing: string) => void;

/** Kafka's jars, fetched through Maven the first time. */
export async function kafkaArtifacts(environment: NodeJS.ProcessEnv, report: Report): Promise<KafkaArtifacts> {
  const pom = pomOf("kafka");
  const directory = await cached("kafka", [pom], environment, async (target) => {
    report("fetching Kafka's jars through Maven (43 MB, the first time only)");
    await maven(environment, pom, [
      "dependency:copy-dependencies",
      `-DoutputDirectory=${join(target, "libs")}`,
      "-DincludeScope=runtime",
    ]);
    await writeBootstrapCheckpoint(target, environment);
  });
  return { libraries: join(directory, "libs"), bootstrapCheckpoint: join(directory, "bootstrap.checkpoint") };
}

/** What tests run on Java's side: Kafka's command-line tools and CloudEvents' serializer. @returns the directory of jars. */
export async function interopLibraries(environment: NodeJS.ProcessEnv, report: Report): Promise<string> {
  const pom = pomOf("interop");
  const directory = await cached("interop", [pom], environment, async (target) => {
    report("fetching Kafka's tools through Maven (35 MB, the first time only)");
    await maven(environment, pom, [
      "dependency:copy-dependencies",
      `-DoutputDirectory=${join(target, "libs")}`,
      "-DincludeScope=runtime",
    ]);
  });
  return join(directory, "libs");
}

/** A static redis-server for this platform; undefined when the package has none for it. */
export async function redisFromMaven(environment: NodeJS.ProcessEnv, report: Report): Promise<string | undefined> {
  const pom = pomOf("redis");
  const directory = await cached("redis", [pom], environment, async (target) => {
    report("fetching Redis through Maven (10 MB, the first time only)");
    await maven(environment, pom, [
      "dependency:unpack-dependencies",
      `-DoutputDirectory=${target}`,
      "-DincludeArtifactIds=embedded-redis",
      "-Dmdep.unpack.includes=redis-server-*",
    ]);
  });
  const architecture = { x64: "amd64", arm64: "arm64" }[process.arch as string];
  const name = readdirSync(directory).find(
    (file) => file.startsWith("redis-server-") && file.endsWith(`-${process.platform}-${architecture}`),
  );
  return name === undefined ? undefined : join(directory, name);
}

function pomOf(name: string): string {
  return join(projectRoot(), "stack", "maven", name, "pom.xml");
}

/**
 * A directory of the cache, made by `fill` when it is not there or not whole. It is filled elsewhere and moved into
 * place in one step, so an interrupted or concurrent fetch never leaves half of it.
 * @param sources the files it is made from: when one changes, it is made anew.
 */
export async function cached(
  name: string,
  sources: readonly string[],
  environment: NodeJS.ProcessEnv,
  fill: (target: string) => Promise<void>,
): Promise<string> {
  const hash = createHash("sha256");
  for (const source of sources) hash.update(readFileSync(source));
  const digest = hash.digest("hex").slice(0, 12);
  const cache = cacheDirectory(environment);
  const place = join(cache, `${name}-${digest}`);
  if (isWhole(place)) return place;
  mkdirSync(cache, { recursive: true });
  const target = mkdtempSync(join(cache, `${name}-`));
  try {
    await fill(target);
    writeFileSync(join(target, STAMP), JSON.stringify(sizesOf(target)));
    if (!isWhole(place)) {
      rmSync(place, { recursive: true, force: true });
      renameSync(target, place);
    }
  } catch (error) {
    // Another process was faster: its copy is as good.
    if (!isWhole(place)) throw error;
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
  return place;
}

/** Whether every file that was put there is there in its full size. */
function isWhole(place: string): boolean {
  const stamp = join(place, STAMP);
  if (!existsSync(stamp)) return false;
  const sizes = JSON.parse(readFileSync(stamp, "utf8")) as Record<string, number>;
  return Object.entries(sizes).every(
    ([file, size]) => statSync(join(place, file), { throwIfNoEntry: false })?.size === size,
  );
}

function sizesOf(directory: string): Record<string, number> {
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" });
  const sizes = files.map((file) => [file, statSync(join(directory, file))] as const);
  return Object.fromEntries(sizes.filter(([, stat]) => stat.isFile()).map(([file, stat]) => [file, stat.size]));
}

/** Runs Maven quietly. @throws with what it said. */
export async function maven(environment: NodeJS.ProcessEnv, pom: string, args: string[]): Promise<void> {
  const mvn = await requireMaven(environment);
  try {
    await run(mvn, ["-B", "-q", "-f", pom, ...args], {
      env: environment,
      timeout: FETCH_TIMEOUT_MS,
      cwd: cacheDirectory(environment),
    });
  } catch (error) {
    const said =
      (error as { stdout?: string }).stdout?.split("\n").find((line) => line.includes("ERROR")) ??
      (error as Error).message;
    throw new Error(`Maven could not fetch what ${pom} names: ${said}`);
  }
}

/** Kafka's own formatter runs once; what it writes is the same for every new cluster of this version. */
async function writeBootstrapCheckpoint(target: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const java = await requireJava(environment);
  const data = join(target, "format");
  const properties = join(target, "format.properties");
  mkdirSync(data);
  writeFileSync(properties, kafkaProperties(singleBroker({ brokerPort: 1, controllerPort: 2, dataDirectory: data })));
  const format = ["kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAw", "-c", properties];
  await run(java, ["-cp", join(target, "libs", "*"), ...format], { env: environment, timeout: FORMAT_TIMEOUT_MS });
  copyFileSync(join(data, "bootstrap.checkpoint"), join(target, "bootstrap.checkpoint"));
  rmSync(data, { recursive: true });
  rmSync(properties);
}
