import { findExecutable } from "./find-executable.ts";

/** A program of the machine that is missing or too old; the message is one line that says how to get it. */
export class MissingTool extends Error {
  constructor(problem: string, install: string) {
    super(`${problem}; install it with: ${install}`);
    this.name = "MissingTool";
  }
}

/** Package names by package manager. */
interface Packages {
  readonly apt: string;
  readonly dnf: string;
  readonly brew: string;
}

/** The command that installs a package with the package manager this machine has; apt's where none is known. */
export function installCommand(packages: Packages, path: string): string {
  const has = (name: string) => findExecutable(name, path) !== undefined;
  if (has("brew")) return `brew install ${packages.brew}`;
  if (has("dnf")) return `sudo dnf install -y ${packages.dnf}`;
  return `sudo apt-get install -y ${packages.apt}`;
}
