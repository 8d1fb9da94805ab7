import { execFile } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { projectRoot } from "@plugboard/stack";

/** A Python that can run examples/python-plugin. */
export interface PythonWithKafka {
  readonly command: string;
  /** To be added to its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What was fetched for it, to be removed by the caller; null when nothing was. */
  readonly directory: string | null;
}

/** What to do where {@link findPythonWithKafka} finds none. */
export const PYTHON_MISSING =
  "the Python plugin is not tested: install Python 3.11 or newer and `pip install -r examples/python-plugin/requirements.txt`";

const INTERPRETERS = ["python3", "/usr/bin/python3"];
const PROBE = "import sys; assert sys.version_info >= (3, 11); import confluent_kafka, confluent_kafka.admin";
const PROBE_MS = 20_000;
const PIP_MS = 45_000;
const APT_MS = 90_000;
/** The client and the library it is built on, as Debian and Ubuntu package them; nothing is installed as root. */
const DEBIAN_PACKAGES = ["python3-confluent-kafka", "librdkafka1"];

/**
 * Finds an interpreter that has the Kafka client of examples/python-plugin; else fetches the client into a temporary
 * directory, with pip or from the distribution's packages.
 * @returns null when there is no Python of a usable version, or no way to the client.
 */
export async function findPythonWithKafka(): Promise<PythonWithKafka | null> {
  for (const command of INTERPRETERS) if (await works(command, {})) return { command, env: {}, directory: null };
  if (!(await anyInterpreter())) return null;
  const directory = mkdtempSync(join(tmpdir(), "plugboard-python-"));
  for (const fetched of [withPip, withApt]) {
    const found = await fetched(directory).catch(() => null);
    if (found !== null) return { ...found, directory };
  }
  return null;
}

async function withPip(directory: string): Promise<Omit<PythonWithKafka, "directory"> | null> {
  const target = join(directory, "pip");
  const requirements = join(projectRoot(), "examples", "python-plugin", "requirements.txt");
  const quick = ["--quiet", "--disable-pip-version-check", "--retries", "0", "--timeout", "10"];
  const install = ["-m", "pip", "install", ...quick, "--only-binary", ":all:", "--target", target, "-r", requirements];
  await run("python3", install, PIP_MS);
  return await firstThatWorks({ PYTHONPATH: target });
}

async function withApt(directory: string): Promise<Omit<PythonWithKafka, "directory"> | null> {
  const download = () =>
    run("apt-get", ["download", "-o", "APT::Sandbox::User=", ...DEBIAN_PACKAGES], APT_MS, directory);
  try {
    await download();
  } catch (error) {
    // A fresh machine has no package lists; only root may fetch them.
    if (process.getuid?.() !== 0) throw error;
    await run("apt-get", ["update", "-q"], APT_MS);
    await download();
  }
  const root = join(directory, "root");
  const packages = (await readdir(directory)).filter((name) => name.endsWith(".deb"));
  for (const name of packages) await run("dpkg", ["-x", join(directory, name), root], PROBE_MS);
  const libraries = (await readdir(join(root, "usr", "lib"))).map((name) => join(root, "usr", "lib", name));
  return await firstThatWorks({
    PYTHONPATH: join(root, "usr", "lib", "python3", "dist-packages"),
    LD_LIBRARY_PATH: libraries.join(":"),
  });
}

async function firstThatWorks(env: Record<string, string>): Promise<Omit<PythonWithKafka, "directory"> | null> {
  // The distribution's client is built for the distribution's Python, which need not be the first on the path.
  for (const command of INTERPRETERS) if (await works(command, env)) return { command, env };
  return null;
}

async function anyInterpreter(): Promise<boolean> {
  const version = "import sys; assert sys.version_info >= (3, 11)";
  for (const command of INTERPRETERS) {
    const found = await run(command, ["-c", version], PROBE_MS).catch(() => null);
    if (found !== null) return true;
  }
  return false;
}

async function works(command: string, env: Record<string, string>): Promise<boolean> {
  return await run(command, ["-c", PROBE], PROBE_MS, undefined, env).then(
    () => true,
    () => false,
  );
}

async function run(command: string, args: string[], timeout: number, cwd?: string, env: Record<string, string> = {}) {
  const options = { timeout, env: { ...process.env, ...env }, ...(cwd !== undefined && { cwd }) };
  return await promisify(execFile)(command, args, options);
}
