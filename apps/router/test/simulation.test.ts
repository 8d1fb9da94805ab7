import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";

const MAIN = fileURLToPath(new URL("./simulation/main.ts", import.meta.url));
const MINUTE_MS = 60_000;

/** In a process of its own: it replaces clocks, timers and the Kafka client's connections. */
function simulate(...flags: readonly (string | number)[]): Promise<{ status: number; output: string }> {
  const node = ["--conditions=source", "--disable-warning=ExperimentalWarning"];
  // The tests' own processes share the machine with others.
  const args = [...node, MAIN, "--processes", "1", ...flags.map(String)];
  const { NODE_OPTIONS: _jests, ...env } = process.env;
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, { env, maxBuffer: 2 ** 26 }, (_error, output, errors) =>
      resolve({ status: child.exitCode ?? -1, output: output + errors }),
    );
  });
}

describe("routers in a simulated world", () => {
  const chance = randomInt(1, 2 ** 31);
  test.each([1, chance])(
    "lose, misroute, repeat and disorder nothing without a cause, and never get stuck (seed %i)",
    async (seed) => {
      const { status, output } = await simulate("--schedules", 20, "--seed", seed);
      expect(output).toContain("No promise was broken.");
      expect(status).toBe(0);
    },
    2 * MINUTE_MS,
  );

  test(
    "a seed repeats everything that happens",
    async () => {
      const took = / in [\d.]+ s /;
      const [one, other] = await Promise.all([1, 2].map(() => simulate("--schedules", 4, "--seed", chance, "--trace")));
      expect(one?.output.split("\n").length).toBeGreaterThan(20);
      expect(other?.output.replace(took, "")).toBe(one?.output.replace(took, ""));
    },
    2 * MINUTE_MS,
  );

  test(
    "read a partition that was added also when the clock is set back (found by seed 5190)",
    async () => {
      const flags = ["--schedules", 12, "--seed", 1, "--fault", "partition-added", "clock-jumps"];
      const { status, output } = await simulate(...flags);
      expect(output).toContain("No promise was broken.");
      expect(status).toBe(0);
    },
    2 * MINUTE_MS,
  );

  test(
    "read a partition that was added while a static member restarts (found by seed 181)",
    async () => {
      const flags = ["--schedules", 12, "--seed", 20, "--fault", "partition-added", "router-killed"];
      const { status, output } = await simulate(...flags);
      expect(output).toContain("No promise was broken.");
      expect(status).toBe(0);
    },
    2 * MINUTE_MS,
  );

  test(
    "are as safe when two have the same instance id (found by seed 100254)",
    async () => {
      const flags = ["--schedules", 8, "--seed", 100_250, "--fault", "instance-id-taken", "router-cut-off"];
      const { status, output } = await simulate(...flags);
      expect(output).toContain("No promise was broken.");
      expect(status).toBe(0);
    },
    2 * MINUTE_MS,
  );

  // Few faults, so that few schedules reach what is broken.
  test.each<[mutation: string, schedules: number, found: string, faults: readonly string[]]>([
    ["commit-before-acknowledgement", 8, "committed before it was written", ["plugin-topic-unwritable"]],
    ["no-limit-of-bytes", 20, "bytes in flight", ["plugin-topic-unwritable", "manager-killed"]],
    ["partitions-go-without-a-drain", 24, "repeated without a cause", ["router-stopped", "router-added"]],
    ["a-transaction-is-committed-without-what-was-refused", 12, "lost: ", ["plugin-topic-takes-little"]],
    ["offsets-are-moved-by-anybody", 24, "repeated without a cause", ["router-frozen", "router-cut-off"]],
    ["aborted-records-are-read", 24, "(returned)", ["plugin-topic-unwritable", "router-killed"]],
    ["a-held-copy-is-overtaken", 16, "not returned", ["plugin-topic-unwritable", "plugin-topic-deleted"]],
    ["a-group-taken-over-is-taken-for-whole", 26, "stuck: responses/4", ["partition-added", "router-killed"]],
  ])(
    "a router broken on purpose is found: %s",
    async (mutation, schedules, found, faults) => {
      const { status, output } = await simulate(
        "--schedules",
        schedules,
        "--seed",
        1,
        "--mutation",
        mutation,
        "--fault",
        ...faults,
      );
      expect(output).toContain(found);
      expect(status).toBe(1);
    },
    2 * MINUTE_MS,
  );
});
