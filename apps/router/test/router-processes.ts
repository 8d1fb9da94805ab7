import { afterAll, afterEach, beforeAll, beforeEach } from "@jest/globals";
import { type RedisServer, type ServiceProcess, startProcess, startRedis } from "@plugboard/stack";
import { ManagerStub } from "./manager-stub.ts";
import { Installation } from "./router-harness.ts";

/**
 * Routers as processes of their own, with the real routing table: a Redis and a manager for all tests of a block, an installation
 * of its own with one plugin, `sheets`, enabled for `team-1`, for each test. What a test starts is killed behind it.
 */
export class RouterProcesses {
  readonly manager = new ManagerStub();
  #managerUrl = "";
  #redis: RedisServer | undefined;
  #at: Installation | undefined;
  #processes: ServiceProcess[] = [];

  /** To be made inside of a `describe`, whose tests it is for. */
  constructor(topics: { readonly partitions?: number } = {}) {
    beforeAll(async () => {
      this.#redis = await startRedis();
      this.#managerUrl = await this.manager.start();
      this.manager.enable("team-1", ["sheets"]);
    });
    beforeEach(async () => {
      this.#at = await new Installation().open(["sheets"], topics);
      await this.manager.publish(this.redis.url, this.at.name);
    });
    afterEach(async () => {
      await Promise.all(this.#processes.splice(0).map((process) => process.kill("SIGKILL")));
      await this.at.close();
    });
    afterAll(async () => {
      await this.manager.stop();
      await this.redis.stop();
    });
  }

  get redis(): RedisServer {
    if (this.#redis === undefined) throw new Error("Redis is there from the first test on");
    return this.#redis;
  }

  /** The test's own installation. */
  get at(): Installation {
    if (this.#at === undefined) throw new Error("an installation is there from the first test on");
    return this.#at;
  }

  /** Starts a router and does not wait for anything. */
  async start(overrides: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
    const env = this.at.environment({
      REDIS_URL: this.redis.url,
      MANAGER_URL: this.#managerUrl,
      PLUGBOARD_NAMESPACE: this.at.name,
      LOG_LEVEL: "info",
      ...overrides,
    });
    const process = await startProcess({ entry: "apps/router/src/main.ts", env, name: "router" });
    this.#processes.push(process);
    return process;
  }
}
