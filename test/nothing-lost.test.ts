import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { deliveryId } from "@plugboard/contract";
import { routingRedis } from "@plugboard/routing-table";
import { type RedisServer, startRedis } from "@plugboard/stack";
import { PlugboardUnderTest, type Service, type TestEvent } from "./plugboard-under-test.ts";
import { headerOf, type TopicReader } from "./topic-reader.ts";

/** Who has which plugins; `team-none` exists and has none. */
const ENABLED: Readonly<Record<string, readonly string[]>> = {
  "team-both": ["one", "two"],
  "team-one": ["one"],
  "team-none": [],
};
const PLUGINS = ["one", "two"];
const RESPONSES = 4;
/** Between two batches, milliseconds: a steady stream of about 400 events a second. */
const PACE_MS = 25;

/** Emits events all the time, in small batches, until it is told to stop; every team's responses in turn. */
class Stream {
  readonly emitted: TestEvent[] = [];
  readonly #plugboard: PlugboardUnderTest;
  readonly #name: string;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(plugboard: PlugboardUnderTest, name: string) {
    this.#plugboard = plugboard;
    this.#name = name;
    this.#running = this.#run();
  }

  /** Waits until so many more have been emitted. */
  async another(count: number): Promise<void> {
    const enough = this.emitted.length + count;
    while (this.emitted.length < enough) await Promise.race([this.#running, pause(PACE_MS)]);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let revision = 1; !this.#stopped; revision += 1) {
      const batch = Object.keys(ENABLED).flatMap((team) =>
        Array.from({ length: RESPONSES }, (_, at) => {
          const response = `${this.#name}-${team}-${at}`;
          return { team, response, id: `${response}.${revision}` };
        }),
      );
      await this.#plugboard.emit(batch);
      this.emitted.push(...batch);
      await pause(PACE_MS);
    }
  }
}

const deliveryOf = (event: TestEvent, plugin: string) => deliveryId(event.team, plugin, "e2e", event.id);

describe("nothing is lost or misrouted, whatever fails in the middle of the stream", () => {
  let redis: RedisServer;
  let plugboard: PlugboardUnderTest;
  let routers: Service[];
  let readers: ReadonlyMap<string, TopicReader>;

  beforeAll(async () => {
    redis = await startRedis();
    plugboard = await PlugboardUnderTest.open({ redisUrl: redis.url });
    for (const plugin of PLUGINS) await plugboard.register(plugin);
    for (const [team, plugins] of Object.entries(ENABLED)) {
      for (const plugin of plugins) await plugboard.enable(team, plugin);
    }
    routers = [await plugboard.startRouter(), await plugboard.startRouter()];
    readers = new Map(await Promise.all(PLUGINS.map(async (id) => [id, await plugboard.followPlugin(id)] as const)));
  }, 120_000);

  afterAll(async () => {
    await plugboard?.close();
    await redis?.stop();
  }, 60_000);

  /** Every delivery there, none that should not be, and the first arrivals of each response in their order. */
  async function settled(events: readonly TestEvent[]): Promise<void> {
    for (const [plugin, reader] of readers) {
      const wanted = events.filter(({ team }) => ENABLED[team]?.includes(plugin));
      await reader.has(wanted.map((event) => deliveryOf(event, plugin)));
      const misrouted = events.filter(
        (event) => !ENABLED[event.team]?.includes(plugin) && reader.deliveries.has(deliveryOf(event, plugin)),
      );
      expect(misrouted).toEqual([]);
      expect(firstArrivalsOutOfOrder(reader)).toEqual([]);
    }
  }

  test("routers are killed -9, one after the other", async () => {
    const stream = new Stream(plugboard, "kill");
    for (const router of routers) {
      await stream.another(300);
      await router.end("SIGKILL");
      await stream.another(300);
      await router.start();
    }
    await stream.stop();
    await settled(stream.emitted);
  }, 90_000);

  test("Redis is flushed, then killed -9 and comes back empty", async () => {
    const stream = new Stream(plugboard, "redis");
    await stream.another(200);
    const client = routingRedis(redis.url);
    await once(client, "ready");
    await client.flushall();
    client.disconnect();
    await stream.another(300);
    await redis.kill();
    await stream.another(300);
    await redis.start();
    await stream.another(300);
    await stream.stop();
    await settled(stream.emitted);
  }, 90_000);

  test("the manager is killed -9, and a router starts meanwhile", async () => {
    const stream = new Stream(plugboard, "manager");
    await stream.another(200);
    await plugboard.manager.end("SIGKILL");
    await stream.another(200);
    await routers[0]?.end("SIGTERM");
    await routers[0]?.start();
    await stream.another(200);
    await plugboard.manager.start();
    await stream.another(200);
    await stream.stop();
    await settled(stream.emitted);
  }, 90_000);

  test("Redis is flushed and the manager is killed -9: routers wait, and go on where they stopped", async () => {
    const stream = new Stream(plugboard, "both");
    await stream.another(200);
    await plugboard.manager.end("SIGKILL");
    await redis.kill();
    await stream.another(200);
    for (const router of routers) await router.end("SIGKILL");
    // Routers that start now know nothing, and nobody can tell them.
    const starting = routers.map((router) => router.start());
    await stream.another(200);
    await redis.start();
    await plugboard.manager.start();
    await Promise.all(starting);
    await stream.another(200);
    await stream.stop();
    await settled(stream.emitted);
  }, 90_000);
});

/** Responses of which a revision arrived for the first time after a later one had: copies may repeat, not overtake. */
function firstArrivalsOutOfOrder(reader: TopicReader): string[] {
  const last = new Map<string, number>();
  const seen = new Set<string>();
  const wrong: string[] = [];
  for (const record of reader.records) {
    const id = headerOf(record, "ce_id") ?? "";
    if (seen.has(id)) continue;
    seen.add(id);
    const [response = "", revision] = id.split(".");
    if (Number(revision) < (last.get(response) ?? 0)) wrong.push(id);
    last.set(response, Number(revision));
  }
  return wrong;
}
