import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { ConfigResourceTypes } from "@platformatic/kafka";
import { type KafkaCluster, startKafka } from "@plugboard/stack";
import { Redis } from "ioredis";
import { binaryEvent, Installation } from "./router-harness.ts";
import { RouterProcesses } from "./router-processes.ts";

const SLOW_MS = 120_000;

async function configure(at: Installation, topic: string, settings: Record<string, string>): Promise<void> {
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  await at.admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }],
  });
}

describe("three brokers", () => {
  let kafka: KafkaCluster;
  let at: Installation;
  beforeAll(async () => {
    kafka = await startKafka({ brokers: 3 });
  }, SLOW_MS);
  afterAll(() => kafka.stop());
  afterEach(() => at.close());

  test("topics that two of three replicas acknowledge are routed, the router's own made so", async () => {
    at = await new Installation(kafka.brokers, 3).open(["sheets"]);
    const router = await at.startRouter();
    expect(router.safety.findings).toEqual([]);
    const { topics } = await at.admin.fetchTopicMetadata({ topics: [at.parked, at.deadLetters] });
    for (const { partitions } of topics) for (const { replicas } of partitions) expect(replicas).toHaveLength(3);
    const { resources } = await at.admin.describeConfigs({
      includeSynonyms: false,
      resources: [at.responses, at.parked, at.deadLetters].map((name) => ({
        type: ConfigResourceTypes.TOPIC,
        name,
        configNames: ["min.insync.replicas"],
      })),
    });
    // Their own, not the brokers' default.
    for (const { configEntries } of resources)
      expect(configEntries).toMatchObject([{ configValue: "2", isDefault: false }]);
  });

  test("every topic that would lose records is named, and nothing is read", async () => {
    at = await new Installation(kafka.brokers, 3).open(["sheets", "sms", "slang"]);
    await configure(at, at.responses, { "unclean.leader.election.enable": "true", "min.insync.replicas": "1" });
    await configure(at, at.topicOf("sms"), { "cleanup.policy": "compact" });
    await at.admin.deleteTopics({ topics: [at.topicOf("slang")] });
    await at.admin.createTopics({
      topics: [{ topic: at.topicOf("slang"), replicationFactor: 1 }],
      waitForLeaders: true,
    });
    const router = await at.startRouter({}, false);
    const refusal = await router.pipeline.broken.catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: "unsafe-settings" });
    const problems = (refusal as { problems: { path: string; message: string }[] }).problems;
    expect(problems.map(({ path, message }) => `${path}: ${message.split(":")[0]}`).toSorted()).toEqual(
      [
        `topic ${at.responses}: min.insync.replicas=1 with 3 replicas`,
        `topic ${at.responses}: unclean.leader.election.enable=true`,
        `topic ${at.topicOf("sms")}: cleanup.policy=compact`,
        `topic ${at.topicOf("slang")}: one replica among 3 brokers`,
      ].toSorted(),
    );
    expect(router.pipeline.problem()).not.toBeNull();
  });
});

describe("one broker, and a router as a process", () => {
  const routers = new RouterProcesses();
  afterEach(() => setPolicy("noeviction"));

  async function setPolicy(policy: string): Promise<void> {
    const client = new Redis(routers.redis.url);
    await client.config("SET", "maxmemory-policy", policy);
    client.disconnect();
  }

  test("starts, and says that one broker is a risk", async () => {
    const router = await routers.start();
    await router.waitForLog(/partitions assigned/, 30_000);
    expect(router.logs()).toMatch(/"where":"Kafka","what":"there is one broker/);
  });

  test("Redis that evicts any key, and a compacted topic: both are named, and it leaves with 1", async () => {
    await setPolicy("allkeys-lru");
    const { at } = routers;
    await configure(at, at.responses, { "cleanup.policy": "compact" });
    const router = await routers.start();
    expect(await router.exited).toBe(1);
    expect(router.logs()).toMatch(/"where":"Redis","what":"maxmemory-policy allkeys-lru/);
    expect(router.logs()).toMatch(/"what":"cleanup.policy=compact/);
    expect(router.logs()).toMatch(/"level":"fatal".*PLUGBOARD_ALLOW_UNSAFE=true/);
    expect(router.logs()).not.toMatch(/partitions assigned/);
  });

  test("PLUGBOARD_ALLOW_UNSAFE starts it all the same, loudly", async () => {
    await setPolicy("allkeys-lru");
    const { at } = routers;
    const router = await routers.start({ PLUGBOARD_ALLOW_UNSAFE: "true" });
    await at.send([binaryEvent("team-1")]);
    await at.read(at.topicOf("sheets"), 1);
    expect(router.logs()).toMatch(/"level":"error".*running although data can be lost/);
  });
});
