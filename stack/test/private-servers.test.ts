import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { Client } from "pg";
import { startKafka } from "../src/kafka-cluster.ts";
import { nativeServices } from "../src/native-services.ts";
import { takePersistentPlace } from "../src/persistent-place.ts";
import { packagedDirectory } from "../src/postgres-binaries.ts";
import { startPostgres } from "../src/postgres-server.ts";
import { probeKafka, probePostgres, probeRedis } from "../src/probe.ts";
import { reachableTwin } from "../src/reachable.ts";
import { startRedis } from "../src/redis-server.ts";

const place = mkdtempSync(join(tmpdir(), "private-servers-"));
afterAll(() => rmSync(place, { recursive: true, force: true }));

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

async function redisCall<T>(url: string, call: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url);
  try {
    return await call(redis);
  } finally {
    redis.disconnect();
  }
}

describe("a private PostgreSQL", () => {
  test("that is killed and started again has its data and its address still", async () => {
    const postgres = await startPostgres();
    try {
      await query(postgres.url, "CREATE TABLE kept AS SELECT 1 AS one");
      await postgres.kill();
      await expect(probePostgres(postgres.url)).rejects.toThrow(/no PostgreSQL answers there/);
      await postgres.start();
      expect(await query(postgres.url, "SELECT one FROM kept")).toEqual([{ one: 1 }]);
    } finally {
      await postgres.stop();
    }
  });
});

describe("PostgreSQL", () => {
  test("comes as a package where the machine has none", async () => {
    const directory = packagedDirectory();
    expect(directory).toBeDefined();
    const postgres = await startPostgres({ binaries: { directory: directory ?? "", major: 18 } });
    try {
      expect(await query(postgres.url, "SHOW server_version_num")).toEqual([
        { server_version_num: expect.stringMatching(/^18/) },
      ]);
    } finally {
      await postgres.stop();
    }
  });

  test("keeps its data also below a directory that other users cannot enter", async () => {
    const closed = mkdtempSync(join(tmpdir(), "closed-"));
    chmodSync(closed, 0o700);
    const dataDirectory = join(closed, "below");
    const postgres = await startPostgres({ dataDirectory });
    try {
      expect(await query(postgres.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    } finally {
      await postgres.stop();
      if (process.getuid?.() === 0) rmSync(reachableTwin(dataDirectory), { recursive: true });
      rmSync(closed, { recursive: true });
    }
  });
});

describe("a private Redis", () => {
  test("that is killed and started again is empty, at the same address", async () => {
    const redis = await startRedis();
    try {
      await redisCall(redis.url, (client) => client.set("key", "value"));
      await redis.kill();
      await expect(probeRedis(redis.url)).rejects.toThrow(/no Redis answers there/);
      await redis.start();
      expect(await redisCall(redis.url, (client) => client.dbsize())).toBe(0);
    } finally {
      await redis.stop();
    }
  });

  test("evicts nothing", async () => {
    const redis = await startRedis();
    try {
      const policy = await redisCall(redis.url, (client) => client.config("GET", "maxmemory-policy"));
      expect(policy).toEqual(["maxmemory-policy", "noeviction"]);
    } finally {
      await redis.stop();
    }
  });
});

describe("a private Kafka", () => {
  test("answers at its address until it is killed, and again once it is started", async () => {
    const kafka = await startKafka();
    try {
      await probeKafka(kafka.brokers);
      await kafka.kill(0);
      await expect(probeKafka(kafka.brokers)).rejects.toThrow(/no broker answers there/);
      await kafka.start(0);
      await probeKafka(kafka.brokers);
      await expect(kafka.kill(1)).rejects.toThrow("there is no broker 1: they are 0 to 0");
    } finally {
      await kafka.stop();
    }
  });
});

describe("a persistent stack", () => {
  test("is found again by a second start: data and ports", async () => {
    const first = await takePersistentPlace(place);
    const [redis, postgres] = await Promise.all([
      nativeServices(first)("redis", () => {}),
      nativeServices(first)("postgres", () => {}),
    ]);
    await redisCall(redis.address, (client) => client.set("key", "value"));
    await query(postgres.address, "CREATE TABLE kept AS SELECT 1 AS one");
    await Promise.all([redis.stop(), postgres.stop()]);
    first.release();

    const second = await takePersistentPlace(place);
    expect(second.ports).toEqual(first.ports);
    const [redisAgain, postgresAgain] = await Promise.all([
      nativeServices(second)("redis", () => {}),
      nativeServices(second)("postgres", () => {}),
    ]);
    try {
      expect(redisAgain.address).toBe(redis.address);
      expect(await redisCall(redisAgain.address, (client) => client.get("key"))).toBe("value");
      expect(await query(postgresAgain.address, "SELECT one FROM kept")).toEqual([{ one: 1 }]);
    } finally {
      await Promise.all([redisAgain.stop(), postgresAgain.stop()]);
      second.release();
    }
    expect(existsSync(place)).toBe(true);
  });

  test("refuses a second process that would use the same data, until it is released", async () => {
    const first = await takePersistentPlace(place);
    await expect(takePersistentPlace(place)).rejects.toThrow(
      new RegExp(`process ${process.pid} already runs the stack of .*: stop it first`),
    );
    first.release();
    (await takePersistentPlace(place)).release();
  });
});
