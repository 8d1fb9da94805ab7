import { after, before, test } from "node:test";
import { CHECK_NAMES, conformance, type TestRunner } from "../../src/conformance/index.ts";
import { flawedDescription } from "./flawed-description.ts";

/** Node's own runner, as docs/plugin-protocol.md has it; one check is enough to see that it fits. */
const runner: TestRunner = {
  test: Object.assign(
    (title: string, work: () => Promise<void>, timeout: number) => void test(title, { timeout }, work),
    {
      skip: (title: string, work: () => Promise<void>) => void test(title, { skip: true }, work),
    },
  ),
  beforeAll: (work, timeout) => before(work, { timeout }),
  afterAll: (work, timeout) => after(work, { timeout }),
};
const others = CHECK_NAMES.filter((name) => name !== "metadata");
const notApplicable = Object.fromEntries(others.map((name) => [name, "one is enough"]));
conformance(runner, { ...flawedDescription(""), notApplicable });
