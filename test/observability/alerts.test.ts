import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "@jest/globals";
import { alertRules } from "./operator-queries.ts";

const run = promisify(execFile);
const PROMETHEUS = join(import.meta.dirname, "../../deploy/prometheus");
const DOWNLOAD_MS_MAX = 60_000;
const TESTS_MS_MAX = 180_000;

/** On the PATH, or out of Debian's package, which is unpacked and not installed; null where there is neither. */
async function findPromtool(): Promise<string | null> {
  if (await works("promtool")) return "promtool";
  const cache = join(tmpdir(), "plugboard-promtool");
  const unpacked = join(cache, "usr/bin/promtool");
  if (await works(unpacked)) return unpacked;
  try {
    mkdirSync(cache, { recursive: true });
    const options = { cwd: cache, timeout: DOWNLOAD_MS_MAX };
    await run("apt-get", ["download", "prometheus"], options).catch(async () => {
      await run("apt-get", ["update"], options);
      await run("apt-get", ["download", "prometheus"], options);
    });
    const archive = readdirSync(cache).find((name) => name.endsWith(".deb"));
    if (archive !== undefined) await run("dpkg", ["-x", archive, cache], options);
  } catch {
    return null;
  }
  return existsSync(unpacked) && (await works(unpacked)) ? unpacked : null;
}

async function works(command: string): Promise<boolean> {
  return await run(command, ["--version"], { timeout: 20_000 }).then(
    () => true,
    () => false,
  );
}

const promtool = await findPromtool();
if (promtool === null)
  process.stderr.write(
    "alerts.test.ts skips promtool's tests: put promtool on the PATH (Debian: apt-get install prometheus)\n",
  );
const withPromtool = promtool === null ? test.skip : test;

withPromtool(
  "promtool finds every alert's case that fires and that is quiet as it should be",
  async () => {
    const { stdout } = await run(promtool ?? "", ["test", "rules", join(PROMETHEUS, "alerts.test.yml")], {
      timeout: TESTS_MS_MAX,
    }).catch((error: { stdout?: string; stderr?: string }) => {
      throw new Error(`${error.stdout ?? ""}${error.stderr ?? ""}`);
    });
    expect(stdout).toContain("SUCCESS");
  },
  TESTS_MS_MAX + 10_000,
);

withPromtool(
  "promtool takes the rules",
  async () => {
    const { stdout } = await run(promtool ?? "", ["check", "rules", join(PROMETHEUS, "alerts.yml")], {
      timeout: 60_000,
    });
    expect(stdout).toContain(`${alertRules().length} rules found`);
  },
  70_000,
);

test("every alert has a case in which it fires and one in which it is quiet", () => {
  const cases = readFileSync(join(PROMETHEUS, "alerts.test.yml"), "utf8");
  for (const { alert } of alertRules()) {
    const name = alert.replace(/^Plugboard/, "");
    expect(cases).toContain(`"${name} fires"`);
    expect(cases).toContain(`"${name} is quiet: `);
  }
});
