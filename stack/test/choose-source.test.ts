import { describe, expect, jest, test } from "@jest/globals";
import { chooseSources } from "../src/choose-source.ts";

const yes = async () => true;
const no = async () => false;

describe("the source of each service", () => {
  test("is the environment where it names the service, whatever else there is", async () => {
    const engine = jest.fn(yes);
    const sources = await chooseSources(
      { KAFKA_BROKERS: "k:9092", REDIS_URL: "redis://r", DATABASE_URL: "postgres://p" },
      engine,
    );
    expect(sources).toEqual({
      kafka: { kind: "environment", variable: "KAFKA_BROKERS", address: "k:9092" },
      redis: { kind: "environment", variable: "REDIS_URL", address: "redis://r" },
      postgres: { kind: "environment", variable: "DATABASE_URL", address: "postgres://p" },
    });
    expect(engine).not.toHaveBeenCalled();
  });

  test("is a container for the others when an engine answers, which is asked once", async () => {
    const engine = jest.fn(yes);
    const sources = await chooseSources({ REDIS_URL: "redis://r" }, engine);
    expect(sources.kafka).toEqual({ kind: "container" });
    expect(sources.redis).toMatchObject({ kind: "environment" });
    expect(sources.postgres).toEqual({ kind: "container" });
    expect(engine).toHaveBeenCalledTimes(1);
  });

  test("is the machine itself when no engine answers", async () => {
    expect(await chooseSources({}, no)).toEqual({
      kafka: { kind: "native" },
      redis: { kind: "native" },
      postgres: { kind: "native" },
    });
  });

  test("an empty variable names nothing", async () => {
    expect(await chooseSources({ KAFKA_BROKERS: "" }, no)).toMatchObject({ kafka: { kind: "native" } });
  });
});
