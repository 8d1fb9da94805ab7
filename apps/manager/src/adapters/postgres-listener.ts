import type { Component, Logger } from "@plugboard/runtime";
import { ExponentialBackoff, handleAll, retry } from "cockatiel";
import { Client } from "pg";

const CONNECT_MS_MAX = 5_000;
const RECONNECT_MS_MAX = 5_000;

/**
 * Listens to Postgres' notifications on a connection of its own, and reconnects for ever. What is notified while it is
 * away is lost: the loops it wakes also poll. After a reconnect every loop is woken once.
 */
export class PostgresListener implements Component {
  readonly name = "postgres-listener";
  readonly #url: string;
  readonly #wakeUps: Readonly<Record<string, () => void>>;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  #client: Client | undefined;
  #running: Promise<void> | undefined;

  /** @param wakeUps channel → what to do when it is notified. */
  constructor(url: string, wakeUps: Readonly<Record<string, () => void>>, logger: Logger) {
    this.#url = url;
    this.#wakeUps = wakeUps;
    this.#logger = logger;
  }

  async start(): Promise<void> {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#client?.end().catch(() => {});
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const forever = retry(handleAll, {
      maxAttempts: Number.MAX_SAFE_INTEGER,
      backoff: new ExponentialBackoff({ initialDelay: 100, maxDelay: RECONNECT_MS_MAX }),
    });
    while (!signal.aborted) {
      try {
        const connection = await forever.execute(() => this.#connect(), signal);
        await connection.gone;
        if (!signal.aborted) this.#logger.warn("the connection for notifications broke; connecting again");
      } catch (error) {
        if (!signal.aborted) this.#logger.warn({ error }, "no connection for notifications");
      }
    }
  }

  /** The promise is boxed, for an async function would wait for it. */
  async #connect(): Promise<{ readonly gone: Promise<void> }> {
    const client = new Client({
      connectionString: this.#url,
      connectionTimeoutMillis: CONNECT_MS_MAX,
      keepAlive: true,
      application_name: "plugboard-manager-listener",
    });
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    client.once("end", resolve);
    client.on("error", () => resolve());
    client.on("notification", ({ channel }) => this.#wakeUps[channel]?.());
    try {
      await client.connect();
      for (const channel of Object.keys(this.#wakeUps)) await client.query(`LISTEN ${channel}`);
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
    this.#client = client;
    for (const wake of Object.values(this.#wakeUps)) wake();
    if (this.#stopping.signal.aborted) await client.end().catch(() => {});
    return { gone };
  }
}
