import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { CONTAINER_IMAGES, kafkaContainerEnvironment } from "../src/container-images.ts";
import { containerEngineAnswers } from "../src/container-services.ts";
import { projectRoot } from "../src/project-paths.ts";

interface ComposeService {
  readonly image: string;
  readonly ports: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes: readonly string[];
  readonly healthcheck: object;
}

const compose = parse(readFileSync(join(projectRoot(), "docker-compose.yml"), "utf8")) as {
  readonly services: Readonly<Record<"kafka" | "redis" | "postgres", ComposeService>>;
};

describe("docker-compose.yml", () => {
  test("runs the images that the tests' containers run, each of a pinned version", () => {
    const { kafka, redis, postgres } = compose.services;
    expect({ kafka: kafka.image, redis: redis.image, postgres: postgres.image }).toEqual(CONTAINER_IMAGES);
    for (const image of Object.values(CONTAINER_IMAGES)) expect(image).toMatch(/:\d+\.\d+/);
  });

  test("configures Kafka as the tests' container does", () => {
    expect(compose.services.kafka.environment).toMatchObject(kafkaContainerEnvironment("$" + "{KAFKA_PORT:-9092}"));
  });

  test.each(["kafka", "redis", "postgres"] as const)(
    "offers %s to this machine only, keeps its data and says when it is ready",
    (name) => {
      const service = compose.services[name];
      for (const port of service.ports) expect(port).toMatch(/^127\.0\.0\.1:/);
      expect(service.volumes).toEqual([expect.stringMatching(new RegExp(`^${name}-data:`))]);
      expect(service.healthcheck).toBeDefined();
    },
  );
});

test("asking for a container engine answers yes or no, also where there is none", async () => {
  expect(typeof (await containerEngineAnswers())).toBe("boolean");
});
