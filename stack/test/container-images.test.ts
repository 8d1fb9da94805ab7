import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { CONTAINER_IMAGES, kafkaContainerEnvironment } from "../src/container-images.ts";
import { containerEngineAnswers, DEVELOPMENT_COMPOSE_FILE } from "../src/container-services.ts";
import { projectRoot } from "../src/project-paths.ts";

interface ComposeService {
  readonly image: string;
  readonly ports: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes: readonly string[];
  readonly healthcheck: object;
}

interface ComposeFile {
  readonly name: string;
  readonly services: Readonly<Record<"kafka" | "redis" | "postgres", ComposeService>>;
}

const read = (file: string) => parse(readFileSync(join(projectRoot(), file), "utf8"), { merge: true }) as ComposeFile;
const compose = read(DEVELOPMENT_COMPOSE_FILE);
const installation = read("docker-compose.yml");

describe("the compose file of npm start", () => {
  test("has the three services and nothing else: npm start runs Plugboard itself", () => {
    expect(Object.keys(compose.services).sort()).toEqual(["kafka", "postgres", "redis"]);
  });

  test("is a project of its own, whose containers and volumes are not those of an installation on the machine", () => {
    expect(compose.name).not.toBe(installation.name);
  });

  test.each([
    ["npm start", compose],
    ["an installation", installation],
  ])("%s runs the images that the tests' containers run, each of a pinned version", (_whose, { services }) => {
    const { kafka, redis, postgres } = services;
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
