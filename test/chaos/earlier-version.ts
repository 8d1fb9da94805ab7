import { execFile } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { createOwnedDirectory, projectRoot } from "@plugboard/stack";

const run = promisify(execFile);
/** npm says little; git's errors are a line. */
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

/** The checkout of an earlier commit, with its dependencies: its processes run from there. */
export interface EarlierVersion {
  readonly commit: string;
  readonly root: string;
  /** Removes it; it goes with this process at the latest. */
  remove(): void;
}

/**
 * Unpacks a commit into a directory of its own and installs what its lock file names, as a fresh clone of it would. No work
 * tree of git's: whoever is killed leaves nothing in the repository.
 *
 * @param ref whatever git takes for a commit.
 * @throws when there is no such commit or its install fails, with what git or npm said.
 */
export async function checkOutEarlierVersion(ref: string, repository = projectRoot()): Promise<EarlierVersion> {
  const resolved = await run("git", ["rev-parse", "--verify", "--end-of-options", `${ref}^{commit}`], {
    cwd: repository,
  });
  const commit = resolved.stdout.trim();
  const directory = createOwnedDirectory();
  const root = join(directory, "checkout");
  const archive = join(directory, "checkout.tar");
  mkdirSync(root);
  await run("git", ["archive", "--format=tar", `--output=${archive}`, commit], { cwd: repository });
  await run("tar", ["-xf", archive, "-C", root]);
  rmSync(archive);
  await run(process.execPath, [join(root, "stack", "install.mjs")], { cwd: root, maxBuffer: OUTPUT_BYTES_MAX });
  return { commit, root, remove: () => rmSync(directory, { recursive: true, force: true }) };
}
