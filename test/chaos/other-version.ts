import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { projectRoot } from "@plugboard/stack";

const run = promisify(execFile);

/** Installing may have to fetch packages. */
const INSTALL_MS = 600_000;

/** Another commit of this project, with its own dependencies, beside this one. */
export class OtherVersion {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  /** @throws when there is no such commit, or its dependencies cannot be installed. */
  static async checkOut(commit: string, report: (doing: string) => void): Promise<OtherVersion> {
    const root = join(await mkdtemp(join(tmpdir(), "plugboard-")), "version");
    const other = new OtherVersion(root);
    report(`the version of ${commit}`);
    try {
      await run("git", ["worktree", "add", "--detach", root, commit], { cwd: projectRoot() });
      await run(process.execPath, ["stack/install.mjs"], { cwd: root, timeout: INSTALL_MS });
      return other;
    } catch (error) {
      await other.remove();
      throw error;
    }
  }

  async remove(): Promise<void> {
    await run("git", ["worktree", "remove", "--force", this.root], { cwd: projectRoot() }).catch(() => {});
    await rm(join(this.root, ".."), { recursive: true, force: true });
  }
}
