import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { findExecutable } from "./find-executable.ts";
import { cached, interopLibraries, maven, type Report } from "./maven-artifacts.ts";
import { installCommand, MissingTool } from "./missing-tool.ts";
import { requireJava } from "./toolchain.ts";

const run = promisify(execFile);
const COMPILE_TIMEOUT_MS = 120_000;
const COMPILER = { apt: "openjdk-17-jdk-headless", dnf: "java-17-openjdk-devel", brew: "openjdk@17" };

/** Java sources compiled against the jars of their pom. */
export interface JavaProgram {
  /** The `java` to run it with. */
  readonly java: string;
  readonly classPath: string;
}

/**
 * Fetches the jars that `<directory>/pom.xml` names and compiles the sources beside it; done once for each state of them.
 * @throws MissingTool without a Java compiler, or without Maven the first time.
 */
export async function javaProgram(
  name: string,
  directory: string,
  environment: NodeJS.ProcessEnv,
  report: Report,
): Promise<JavaProgram> {
  const java = await requireJava(environment);
  const sources = readdirSync(directory)
    .filter((file) => file.endsWith(".java"))
    .sort()
    .map((file) => join(directory, file));
  const pom = join(directory, "pom.xml");
  const place = await cached(name, [pom, ...sources], environment, async (target) => {
    report(`fetching the jars of ${name} through Maven (the first time only)`);
    const libraries = join(target, "libs");
    await maven(environment, pom, [
      "dependency:copy-dependencies",
      `-DoutputDirectory=${libraries}`,
      "-DincludeScope=runtime",
    ]);
    report(`compiling ${name}`);
    await compile(java, environment, sources, libraries, join(target, "classes"));
  });
  return { java, classPath: `${join(place, "classes")}:${join(place, "libs", "*")}` };
}

/**
 * Java sources compiled against the jars of {@link interopLibraries}, which come with it; done once for each state of them.
 * @throws MissingTool without a Java compiler, or without Maven the first time.
 */
export async function interopProgram(
  sources: readonly string[],
  environment: NodeJS.ProcessEnv,
  report: Report,
): Promise<JavaProgram> {
  const java = await requireJava(environment);
  const libraries = await interopLibraries(environment, report);
  // Their place names the state of their own pom.
  const name = `${basename(dirname(libraries))}-classes`;
  const classes = await cached(name, sources, environment, async (target) => {
    await compile(java, environment, sources, libraries, target);
  });
  return { java, classPath: `${classes}:${join(libraries, "*")}` };
}

async function compile(
  java: string,
  environment: NodeJS.ProcessEnv,
  sources: readonly string[],
  libraries: string,
  target: string,
): Promise<void> {
  const compiler = findCompiler(java, environment.PATH ?? "");
  await run(compiler, ["-d", target, "-cp", join(libraries, "*"), ...sources], { timeout: COMPILE_TIMEOUT_MS });
}

/** The compiler that belongs to `java`, else the one in PATH. */
function findCompiler(java: string, path: string): string {
  const compiler = findExecutable("javac", dirname(java)) ?? findExecutable("javac", path);
  if (compiler === undefined)
    throw new MissingTool("a Java compiler (javac) is missing", installCommand(COMPILER, path));
  return compiler;
}
