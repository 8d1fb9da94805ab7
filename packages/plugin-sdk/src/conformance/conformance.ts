import { CHECKS } from "./checks/all.ts";
import { CHECK_NAMES, type CheckName, type PluginDescription } from "./plugin-description.ts";
import { Stage } from "./stage.ts";
import type { Addresses } from "./staged-records.ts";

type Work = () => Promise<void>;

/** The test runner's functions: jest's, vitest's, or an adapter to `node:test`'s (docs/plugin-protocol.md). */
export interface TestRunner {
  readonly test: ((title: string, work: Work, deadlineMs: number) => void) & {
    readonly skip: (title: string, work: Work) => void;
  };
  readonly beforeAll: (work: Work, deadlineMs: number) => void;
  readonly afterAll: (work: Work, deadlineMs: number) => void;
}

const OPEN_MS = 120_000;
/** A busy machine takes its time. */
const WAIT_MS = 60_000;
/** Of a whole check: what a plugin does not do within {@link WAIT_MS} is told before. */
const CHECK_MS = 300_000;

/**
 * Declares one test for each check of the suite: the plugin runs as a real process on a real Kafka and Postgres, whose addresses are
 * KAFKA_BROKERS and DATABASE_URL. A check that does not apply is skipped under its reason.
 */
export function conformance(runner: TestRunner, plugin: PluginDescription, addresses?: Addresses): void {
  const suite = new ConformanceSuite(plugin, addresses);
  runner.beforeAll(() => suite.open(), OPEN_MS);
  runner.afterAll(() => suite.close(), OPEN_MS);
  for (const name of CHECK_NAMES) {
    const run = () => suite.run(name);
    const reason = plugin.notApplicable?.[name];
    if (reason?.trim() === "") throw new Error(`notApplicable has no reason for ${name}`);
    if (reason === undefined) runner.test(`${name}: ${CHECKS[name].title}`, run, CHECK_MS);
    else runner.test.skip(`${name} does not apply: ${reason}`, run);
  }
}

/** The checks of one plugin, for whoever wants to run them without a test runner. */
export class ConformanceSuite {
  readonly #stage: Stage;

  constructor(plugin: PluginDescription, addresses: Addresses = addressesOf(process.env)) {
    this.#stage = new Stage(plugin, addresses);
  }

  open(): Promise<void> {
    return this.#stage.open();
  }

  /**
   * @param waitMs how long each thing may take that the plugin has to do.
   * @throws NonConformance, which says what the plugin did wrong.
   */
  run(check: CheckName, waitMs = WAIT_MS): Promise<void> {
    this.#stage.waitMs = waitMs;
    return CHECKS[check].run(this.#stage);
  }

  close(): Promise<void> {
    return this.#stage.close();
  }
}

function addressesOf({ KAFKA_BROKERS, DATABASE_URL }: NodeJS.ProcessEnv): Addresses {
  if (KAFKA_BROKERS === undefined || DATABASE_URL === undefined)
    throw new Error("the conformance suite needs a Kafka and a Postgres: set KAFKA_BROKERS and DATABASE_URL");
  return { kafkaBrokers: KAFKA_BROKERS, databaseUrl: DATABASE_URL };
}
