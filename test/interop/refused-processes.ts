import { expect } from "@jest/globals";
import { freePorts, type ServiceProcess, startProcess, uniqueName, waitUntil } from "@plugboard/stack";

const WAIT_MS = 60_000;

/** Processes that a Kafka may refuse, with what they need beside it. */
const PROCESSES = {
  router: { entry: "apps/router/src/main.ts", env: {} },
  validator: { entry: "plugins/validator/src/main.ts", env: {} },
  manager: {
    entry: "apps/manager/src/main.ts",
    env: {
      PLUGBOARD_ADMIN_TOKEN: "a-token-of-this-test",
      PLUGBOARD_SIGNING_KEY: "a-key-of-this-test-of-32-bytes-or-more",
    },
  },
} as const;
export type Refused = keyof typeof PROCESSES;

/** A process under test that is not waited for to be ready. */
export class RefusedProcess {
  readonly #name: Refused;
  readonly #port: number;
  readonly #process: ServiceProcess;

  private constructor(name: Refused, port: number, process: ServiceProcess) {
    this.#name = name;
    this.#port = port;
    this.#process = process;
  }

  static async start(name: Refused, env: Readonly<Record<string, string>>): Promise<RefusedProcess> {
    const [port = 0] = await freePorts(1);
    const { entry, env: own } = PROCESSES[name];
    return new RefusedProcess(
      name,
      port,
      await startProcess({ name, entry, env: { ...env, ...own, PORT: `${port}` } }),
    );
  }

  /** In a line of its log. */
  async says(why: RegExp): Promise<void> {
    await this.#process.waitForLog(why, WAIT_MS);
  }

  /** At `/readyz`; whether that makes it not ready is each process's own affair. */
  async shows(check: string): Promise<void> {
    await waitUntil(`${this.#name} shows a problem of ${check}`, WAIT_MS, async () => {
      return (await this.#problems())?.includes(check) || undefined;
    });
  }

  async becomesReady(): Promise<void> {
    await waitUntil(`${this.#name} has no problem`, WAIT_MS, async () => {
      return (await this.#problems())?.length === 0 || undefined;
    }).catch((error: Error) => {
      throw new Error(`${error.message}; its output:\n${this.#process.logs().slice(-4_000)}`);
    });
  }

  async isStillThere(): Promise<void> {
    expect(await Promise.race([this.#process.exited, Promise.resolve("there")])).toBe("there");
  }

  kill(): Promise<void> {
    return this.#process.kill("SIGKILL");
  }

  /** The checks that have one; undefined while it does not answer. */
  async #problems(): Promise<string[] | undefined> {
    const signal = AbortSignal.timeout(3_000);
    const answer = await fetch(`http://127.0.0.1:${this.#port}/readyz`, { signal }).catch(() => undefined);
    if (answer === undefined) return undefined;
    const { checks } = (await answer.json()) as { checks: { name: string; problem: string | null }[] };
    return checks.filter(({ problem }) => problem !== null).map(({ name }) => name);
  }
}

/** The checks at `/readyz` that Kafka's refusal shows in. */
const CHECKS = { router: "partitions", validator: "consumer", manager: "kafka" };

/** Starts one of each with this environment, in a namespace of its own; each must say its reason, and go on. */
export async function expectSaid(
  environment: Readonly<Record<string, string>>,
  reasons: Readonly<Record<Refused, RegExp>>,
): Promise<void> {
  const names = Object.keys(reasons) as Refused[];
  const env = { ...environment, PLUGBOARD_NAMESPACE: uniqueName("ns") };
  const running = await Promise.all(names.map((name) => RefusedProcess.start(name, env)));
  try {
    await Promise.all(
      running.map(async (process, index) => {
        await process.says(reasons[names[index] as Refused]);
        await process.shows(CHECKS[names[index] as Refused]);
        await process.isStillThere();
      }),
    );
  } finally {
    await Promise.all(running.map((process) => process.kill()));
  }
}
