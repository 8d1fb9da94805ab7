import { readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createOwnedDirectory } from "./owned-directory.ts";
import { projectRoot } from "./project-paths.ts";
import { startStack } from "./start-stack.ts";
import { supervise } from "./supervise.ts";
import { closingLine, type JestCounts } from "./test-counts.ts";

/**
 * `npm test [-- jest's arguments]`: brings the stack up, runs jest once over the repository and takes the stack down.
 * Ends with jest's exit status and `N passed, N failed` as the last line.
 */
async function runTests(args: readonly string[]): Promise<number> {
  const directory = createOwnedDirectory();
  try {
    const stack = await startStack({ mode: "ephemeral", title: "Starting Kafka, Redis and PostgreSQL for the tests" });
    try {
      return await runJest(args, join(directory, "results.json"), {
        KAFKA_BROKERS: stack.addresses.kafkaBrokers,
        REDIS_URL: stack.addresses.redisUrl,
        DATABASE_URL: stack.addresses.databaseUrl,
      });
    } finally {
      await stack.stop();
    }
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.stdout.write(`${closingLine(undefined).line}\n`);
    return 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function runJest(args: readonly string[], results: string, addresses: Record<string, string>): Promise<number> {
  const root = projectRoot();
  // Tests wait for brokers and processes as much as they compute: three workers also on a machine with two cores.
  const workers = Math.max(3, availableParallelism() - 1);
  const ownWorkers = args.some((arg) => /^(-i|--runInBand|-w|--maxWorkers)/.test(arg));
  const jest = await supervise({
    command: process.execPath,
    args: [
      join(root, "node_modules", "jest", "bin", "jest.js"),
      ...["--json", `--outputFile=${results}`, ...(ownWorkers ? [] : [`--maxWorkers=${workers}`])],
      ...args,
    ],
    cwd: root,
    env: {
      ...process.env,
      ...addresses,
      // The last is kafkajs's: one for each connection, harmless (packages/kafka says more).
      NODE_OPTIONS:
        "--experimental-vm-modules --disable-warning=ExperimentalWarning --disable-warning=TimeoutNegativeWarning",
    },
    output: "inherit",
  });
  let interrupted: NodeJS.Signals | undefined;
  const forward = (signal: NodeJS.Signals) => {
    interrupted = signal;
    jest.end(signal);
  };
  process.on("SIGINT", forward).on("SIGTERM", forward);
  const status = await jest.exited;
  if (interrupted !== undefined) return interrupted === "SIGINT" ? 130 : 143;
  const { line, failed } = closingLine(readCounts(results));
  if (line.startsWith("0 passed, 0")) process.stderr.write("no test was executed\n");
  process.stdout.write(`${line}\n`);
  return status === 0 && !failed ? 0 : status || 1;
}

function readCounts(results: string): JestCounts | undefined {
  try {
    return JSON.parse(readFileSync(results, "utf8")) as JestCounts;
  } catch {
    return undefined;
  }
}

process.exitCode = await runTests(process.argv.slice(2));
