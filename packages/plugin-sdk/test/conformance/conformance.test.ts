import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "@jest/globals";
import { CHECK_NAMES, type CheckName, ConformanceSuite, NonConformance } from "../../src/conformance/index.ts";
import { flawedDescription } from "../support/flawed-description.ts";

const TEST_MS = 600_000;
/** For checks that are to fail, most of them by waiting in vain; a killed process takes ten seconds to be replaced. */
const inVainMs = (check: CheckName) => (check.startsWith("crash") ? 25_000 : 10_000);

/** What the suite says of a plugin with these flaws, check by check. */
async function findings(flaws: string, toFail: readonly CheckName[]): Promise<Partial<Record<CheckName, string>>> {
  const found: Partial<Record<CheckName, string>> = {};
  const suite = new ConformanceSuite(flawedDescription(flaws));
  await suite.open();
  try {
    for (const check of CHECK_NAMES) {
      await suite.run(check, toFail.includes(check) ? inVainMs(check) : undefined).catch((error: Error) => {
        if (!(error instanceof NonConformance)) throw error;
        found[check] = error.message;
      });
    }
  } finally {
    await suite.close();
  }
  return found;
}

describe("the conformance suite finds what is wrong with a plugin, and nothing else", () => {
  test.concurrent.each<[string, Partial<Record<CheckName, RegExp>>]>([
    ["ignores-signatures", { signature: /a call of \/initialize that has no signature was answered 200/ }],
    [
      "settles-before-the-effect",
      {
        "crash-before-effect": /a delivery whose process was killed before the effect was not recorded as delivered/,
        "crash-after-effect": /a delivery whose process was killed behind its effect .* was not recorded as delivered/,
      },
    ],
    [
      "handles-one-after-the-other",
      { "slow-team": /behind those of a team whose vendor does not answer was not recorded/ },
    ],
    ["leaves-at-once", { drain: /did not say goodbye/ }],
    [
      "forgets-identities,wants-old-revisions,hides-failures,new-key-each-time,prints-secrets",
      {
        duplicate: /the second of two copies was not recorded as duplicate/,
        "revision-fence": /revision 1 behind revision 2 was not recorded as superseded/,
        retry: /a delivery whose vendor says not now was not recorded as retry/,
        "dead-letter": /a delivery that goes on failing left no dead letter/,
        "crash-after-effect": /had that effect 2 times: at-least-once promises one/,
        secrets: /1 of its secrets/,
      },
    ],
  ])(
    "in a plugin that %s",
    async (flaws, expected) => {
      const found = await findings(flaws, Object.keys(expected) as CheckName[]);
      expect(found).toEqual(
        Object.fromEntries(Object.entries(expected).map(([check, told]) => [check, expect.stringMatching(told)])),
      );
    },
    TEST_MS,
  );
});

test(
  "the suite runs on Node's own test runner, and names what does not apply",
  async () => {
    const file = join(import.meta.dirname, "..", "support", "on-node-test.ts");
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const args = ["--conditions=source", "--test", "--test-reporter=tap", file];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env, timeout: TEST_MS });
    expect(stdout).toMatch(/^ *ok \d+ - metadata: what it says of itself is what it registered$/m);
    expect(stdout).toMatch(/^ *ok \d+ - drain does not apply: one is enough # SKIP/m);
    expect(stdout).toMatch(/^# fail 0$/m);
  },
  TEST_MS,
);
