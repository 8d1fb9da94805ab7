import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { interopProgram, type JavaProgram, MissingTool, projectRoot, waitUntil } from "@plugboard/stack";

/** Longest a program may run, milliseconds: on a busy machine Java takes long to start. */
const DEADLINE_MS = 150_000;
const END_MS = 5_000;
const COMPLAINTS_CHARS_MAX = 64 * 1024;
/** Tests run short programs: compiling fast beats running fast. */
const FLAGS = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"];

/** A Java process that runs main classes one after another: those of test/interop/java, of examples/emitters and of Kafka's tools. */
export class JavaTools {
  readonly #program: JavaProgram;
  #child: ChildProcess | undefined;
  #answers: AsyncIterator<string> | undefined;
  #complaints = "";
  #last: Promise<unknown> = Promise.resolve();

  constructor(program: JavaProgram) {
    this.#program = program;
  }

  /** Starts it ahead of the first program: it takes its time on a busy machine. */
  warmUp(): void {
    this.#start();
  }

  /** Resolves with what it wrote to standard output, rejects with what it threw or complained of. */
  run(main: string, args: readonly string[], input = ""): Promise<string> {
    const answer = this.#last.then(() => this.#ask(JSON.stringify({ main, arguments: args, input })));
    this.#last = answer.catch(() => {});
    return answer;
  }

  /** A shell script named so that runs this main class, as Kafka's own scripts do. */
  scriptOf(main: string): string {
    const { java, classPath } = this.#program;
    return `#!/bin/sh\nexec '${java}' ${FLAGS.join(" ")} -cp '${classPath}' ${main} "$@"\n`;
  }

  async close(): Promise<void> {
    const child = this.#child;
    const ended = () => child === undefined || child.exitCode !== null || child.signalCode !== null || undefined;
    child?.stdin?.end();
    await waitUntil("Java ended", END_MS, ended).catch(() => child?.kill("SIGKILL"));
  }

  async #ask(program: string): Promise<string> {
    const child = this.#start();
    const timer = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
    try {
      child.stdin?.write(`${program}\n`);
      const answer = await this.#answers?.next();
      if (answer === undefined || answer.done)
        throw new Error(`Java ended or took above ${DEADLINE_MS} ms:\n${this.#complaints}`);
      const { output, failed } = JSON.parse(answer.value) as { output: string; failed?: string };
      if (failed !== undefined) throw new Error(`${failed}\n${output}${this.#complaints}`);
      return output;
    } finally {
      clearTimeout(timer);
    }
  }

  #start(): ChildProcess {
    if (this.#child !== undefined) return this.#child;
    const { java, classPath } = this.#program;
    // It ends when its standard input does, so it does not outlive this process.
    const child = spawn(java, [...FLAGS, "-cp", classPath, "RunPrograms"], { stdio: "pipe" });
    child.stdin.on("error", () => {});
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#complaints = (this.#complaints + text).slice(-COMPLAINTS_CHARS_MAX);
    });
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.#child = child;
    return child;
  }
}

/**
 * Compiles what test/interop runs in Java, unless that was done before.
 * @returns a string instead where this machine has no JDK: one line that says so and how to get it.
 */
export async function javaTools(): Promise<JavaTools | string> {
  const own = join(projectRoot(), "test/interop/java");
  const sources = readdirSync(own)
    .sort()
    .map((file) => join(own, file));
  try {
    const example = join(projectRoot(), "examples/emitters/src/EmitWithJava.java");
    return new JavaTools(await interopProgram([...sources, example], process.env, () => {}));
  } catch (error) {
    if (error instanceof MissingTool) return error.message;
    throw error;
  }
}
