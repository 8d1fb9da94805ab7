import { execFile, execFileSync } from "node:child_process";
import { cpSync, mkdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { projectRoot } from "@plugboard/stack";
import { contextFiles } from "./build-context.ts";
import { environmentOf, imageOf, type Stage, type Step } from "./docker-stages.ts";

const run = promisify(execFile);

/** Longest a RUN may take: an npm ci over a slow line included. */
const RUN_MS_MAX = 10 * 60_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/** An image as far as a machine without an engine can have it: its files, and what its Dockerfile says to run. */
export interface BuiltImage {
  /** What is / in a container. */
  readonly root: string;
  /** Where its commands run, in `root`. */
  readonly directory: string;
  readonly command: readonly string[];
  readonly healthcheck: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Carries out a Dockerfile's COPY and RUN instructions in directories of this machine, each stage once. The images below
 * the first stage are the machine itself, so the Node on PATH has to be theirs.
 */
export class ImageBuilder {
  readonly #stages: readonly Stage[];
  readonly #directory: string;
  readonly #path: string;
  readonly #given: Readonly<Record<string, (directory: string) => void>>;
  readonly #built = new Map<string, Promise<string>>();

  /**
   * @param directory where everything is made; it must be empty.
   * @param given by "stage: command" what stands in for a RUN whose result this machine has already.
   */
  constructor(
    stages: readonly Stage[],
    directory: string,
    options: { readonly path: string; readonly given: Readonly<Record<string, (directory: string) => void>> },
  ) {
    this.#stages = stages;
    this.#directory = directory;
    this.#path = options.path;
    this.#given = options.given;
    const context = join(directory, "context");
    // Copies: what a RUN writes to must not be the repository's own file.
    for (const file of contextFiles()) cpSync(join(projectRoot(), file), join(context, file));
  }

  async image(name: string): Promise<BuiltImage> {
    const root = await this.#stage(name);
    const { command, healthcheck, environment } = imageOf(this.#stages, name);
    if (command === null || healthcheck === null) throw new Error(`${name} has no command or no health check`);
    return { root, directory: join(root, this.#workdir(name)), command, healthcheck, environment };
  }

  #stage(name: string): Promise<string> {
    const known = this.#built.get(name) ?? this.#make(name);
    this.#built.set(name, known);
    return known;
  }

  async #make(name: string): Promise<string> {
    const stage = this.#stages.find((candidate) => candidate.name === name);
    if (stage === undefined) throw new Error(`there is no stage ${name}`);
    const root = join(this.#directory, "stages", name);
    mkdirSync(root, { recursive: true });
    if (this.#stages.some((candidate) => candidate.name === stage.base)) put(await this.#stage(stage.base), root);
    for (const step of stage.steps) await this.#carryOut(stage, step, root);
    return root;
  }

  async #carryOut(stage: Stage, step: Step, root: string): Promise<void> {
    const directory = join(root, this.#workdir(stage.name));
    mkdirSync(directory, { recursive: true });
    if (step.kind === "copy") await this.#copy(step, root, directory);
    if (step.kind !== "run") return;
    const given = this.#given[`${stage.name}: ${step.command}`];
    if (given !== undefined) return given(directory);
    const { HOME = "" } = process.env;
    // What the repository has compiled from the same sources already is not compiled again.
    const turbo = { TURBO_TELEMETRY_DISABLED: "1", TURBO_CACHE_DIR: join(projectRoot(), ".turbo", "cache") };
    // Packages come from npm's cache, which has them from the repository's own installation, without asking for each.
    const npm = { npm_config_prefer_offline: "true" };
    const env = { HOME, PATH: this.#path, ...turbo, ...npm, ...environmentOf(stage.steps) };
    await run("sh", ["-c", step.command], {
      cwd: directory,
      env,
      timeout: RUN_MS_MAX,
      maxBuffer: OUTPUT_BYTES_MAX,
    }).catch((error: { stdout?: string; stderr?: string }) => {
      throw new Error(`RUN ${step.command} of ${stage.name} failed:\n${error.stdout}\n${error.stderr}`);
    });
  }

  async #copy(step: Extract<Step, { kind: "copy" }>, root: string, directory: string): Promise<void> {
    const from = step.from === null ? join(this.#directory, "context") : await this.#stage(step.from);
    const target = step.target.startsWith("/") ? join(root, step.target) : join(directory, step.target);
    for (const source of step.sources) {
      const path = join(from, source);
      const isFile = statSync(path).isFile();
      put(path, isFile && /(^|\/)\.?\/?$/.test(step.target) ? join(target, basename(source)) : target);
    }
  }

  #workdir(name: string): string {
    const stage = this.#stages.find((candidate) => candidate.name === name);
    if (stage === undefined) return "/";
    return stage.steps.reduce(
      (found, step) => (step.kind === "workdir" ? step.value : found),
      this.#workdir(stage.base),
    );
  }
}

/** Gives files, one or a directory's content, second names at another place; packages stay links, as npm made them. */
export function put(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  const isFile = statSync(from).isFile();
  try {
    if (!isFile) mkdirSync(to, { recursive: true });
    execFileSync("cp", ["-alf", isFile ? from : `${from}/.`, to], { stdio: "pipe" });
  } catch {
    // Another disk, or a cp that cannot: then it takes longer.
    cpSync(from, to, { recursive: true, verbatimSymlinks: true });
  }
}
