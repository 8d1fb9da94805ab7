import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { findExecutable, isExecutable } from "./find-executable.ts";
import { installCommand, MissingTool } from "./missing-tool.ts";

const run = promisify(execFile);

/** Kafka 4's brokers need it. */
const JAVA_MAJOR_MIN = 17;
const MAVEN_MAJOR_MIN = 3;
const VERSION_TIMEOUT_MS = 30_000;

const JAVA = { apt: "openjdk-17-jre-headless", dnf: "java-17-openjdk-headless", brew: "openjdk@17" };
const MAVEN = { apt: "maven", dnf: "maven", brew: "maven" };

/**
 * The `java` to run Kafka with: JAVA_HOME's, else the one in PATH.
 * @throws MissingTool when there is none, or it is too old.
 */
export async function requireJava(environment: NodeJS.ProcessEnv): Promise<string> {
  const path = environment.PATH ?? "";
  const install = installCommand(JAVA, path);
  const home = environment.JAVA_HOME;
  const own = home === undefined || home === "" ? undefined : join(home, "bin", "java");
  const java = own !== undefined && isExecutable(own) ? own : findExecutable("java", path);
  if (java === undefined) throw new MissingTool(`Java ${JAVA_MAJOR_MIN} or newer is missing (it runs Kafka)`, install);
  const said = await versionText(java, ["-version"], environment);
  const major = javaMajor(said);
  if (major === undefined) throw new MissingTool(`${java} does not run (it should run Kafka)`, install);
  if (major < JAVA_MAJOR_MIN) {
    throw new MissingTool(`Java ${major} at ${java} is too old: Kafka needs ${JAVA_MAJOR_MIN} or newer`, install);
  }
  return java;
}

/**
 * The `mvn` to fetch jars with.
 * @throws MissingTool when there is none, or it is too old.
 */
export async function requireMaven(environment: NodeJS.ProcessEnv): Promise<string> {
  const path = environment.PATH ?? "";
  const install = installCommand(MAVEN, path);
  const maven = findExecutable("mvn", path);
  if (maven === undefined) throw new MissingTool("Maven 3 or newer is missing (it fetches Kafka's jars)", install);
  const major = /Apache Maven (\d+)\./.exec(await versionText(maven, ["-version"], environment))?.[1];
  if (major === undefined) throw new MissingTool(`${maven} does not run (it should fetch Kafka's jars)`, install);
  if (Number(major) < MAVEN_MAJOR_MIN) {
    throw new MissingTool(`Maven ${major} at ${maven} is too old: ${MAVEN_MAJOR_MIN} or newer is needed`, install);
  }
  return maven;
}

/** 17 for `openjdk version "17.0.15"`, 8 for `java version "1.8.0_402"`. */
export function javaMajor(said: string): number | undefined {
  const [, first, second] = /version "(\d+)(?:\.(\d+))?/.exec(said) ?? [];
  if (first === undefined) return undefined;
  return first === "1" && second !== undefined ? Number(second) : Number(first);
}

async function versionText(command: string, args: string[], environment: NodeJS.ProcessEnv): Promise<string> {
  try {
    const { stdout, stderr } = await run(command, args, { env: environment, timeout: VERSION_TIMEOUT_MS });
    return stdout + stderr;
  } catch {
    return "";
  }
}
