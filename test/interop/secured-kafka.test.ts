import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { freePorts, startProcess, testEnvironment, uniqueName, waitUntil } from "@plugboard/stack";
import { callJson, type PlugboardUnderTest, type Service } from "../plugboard-under-test.ts";
import { type JavaTools, javaTools } from "./java-tools.ts";
import { namesOf, SecuredInstallation } from "./secured-installation.ts";

const WAIT_MS = 40_000;
/** For tests that start a process. */
const SLOW_MS = 120_000;
const RULE = { id: "savings", check: "answers.savings <= answers.income", message: "Ask again.", fields: ["savings"] };

const java = await javaTools();
if (typeof java === "string") process.stderr.write(`test/interop/secured-kafka.test.ts skips: ${java}\n`);
const withJava = typeof java === "string" ? describe.skip : describe;

withJava("on a Kafka with TLS, client certificates, SCRAM and nothing granted but what the document says", () => {
  let secured: SecuredInstallation;
  let plugboard: PlugboardUnderTest;
  let core: Service;
  let router: Service;
  let validator: Service;

  beforeAll(async () => {
    if (typeof java === "string") return;
    java.warmUp();
    secured = await SecuredInstallation.start(java);
    plugboard = await secured.openPlugboard();
    // The core creates it, with its own rights.
    await plugboard.admin.deleteTopics({ topics: [plugboard.responses] });
    core = await plugboard.startCore();
    await plugboard.register("other");
    [router, validator] = await Promise.all([plugboard.startRouter(), plugboard.startPlugin("validator")]);
    await plugboard.enable("team-a", "validator", { enabled: true, mode: "async" });
    await plugboard.configure("team-a", "validator", { rules: [RULE] });
    const questions = ["income", "savings"].map((id) => ({ id }));
    await callJson("PUT", `${core.url}/forms/form-a`, { team: "team-a", title: "Household", questions });
  }, 300_000);

  afterAll(async () => {
    await plugboard?.close();
    await Promise.all([secured?.stop(), (java as JavaTools).close()]);
  }, 60_000);

  /** Submits a response that breaks the rule and waits until the core has been told so by the plugin. */
  async function flagged(): Promise<void> {
    const body = { answers: { income: 100, savings: 1_000 }, collector: "amina" };
    const { id } = (await callJson("POST", `${core.url}/forms/form-a/submit`, body)) as { id: string };
    await waitUntil("the response is flagged", WAIT_MS, async () => {
      const detail = (await callJson("GET", `${core.url}/responses/${id}`)) as { flags: { message: string }[] };
      return detail.flags[0]?.message === RULE.message || undefined;
    });
  }

  test("a response goes from the core through router and plugin and back, and its outcome is told", async () => {
    await flagged();
    const outcomes = await plugboard.follow(`${plugboard.name}.deliveries`);
    await outcomes.until("an outcome", () => outcomes.records.length > 0);
    expect(JSON.parse(outcomes.records[0]?.value?.toString() ?? "")).toMatchObject({
      plugin: "validator",
      team: "team-a",
      outcome: "delivered",
    });
  });

  test("how long a record is kept, which the alert on lag needs, is known to who reads it", async () => {
    for (const [service, metric] of [
      [router, "router_retention_seconds"],
      [validator, "plugin_retention_seconds"],
    ] as const) {
      // A look at the metrics has it asked for.
      await waitUntil(`${metric} is known`, WAIT_MS, async () => {
        const metrics = await fetch(`${service.url}/metrics`, { signal: AbortSignal.timeout(3_000) });
        return new RegExp(`^${metric}(\\{[^}]*\\})? [1-9][0-9]*$`, "m").test(await metrics.text()) || undefined;
      });
    }
  });

  test(
    "a router that delivers exactly once does so with these rights as well",
    async () => {
      await router.end("SIGTERM");
      router = await plugboard.startRouter({ ROUTER_DELIVERY: "exactly-once", ROUTER_INSTANCE_ID: "a" });
      await flagged();
    },
    SLOW_MS,
  );

  test("what is no event reaches both dead-letter topics, which their writers may create", async () => {
    const [ofRouter, ofPlugin] = [`${plugboard.responses}.dlq`, `${plugboard.name}.plugin.validator.dlq`];
    await plugboard.producer.send(plugboard.responses, [{ key: "x", value: "nothing" }]);
    await plugboard.producer.send(`${plugboard.name}.plugin.validator`, [{ key: "x", value: "nothing" }]);
    for (const topic of [ofRouter, ofPlugin]) {
      await waitUntil(`${topic} holds a dead letter`, WAIT_MS, async () => {
        const offsets = await plugboard.admin.fetchTopicOffsets(topic).catch(() => []);
        return offsets.some(({ high }) => Number(high) > 0) || undefined;
      });
    }
  });

  test("a plugin that goes for good has its topics deleted", async () => {
    const topic = `${plugboard.name}.plugin.other`;
    expect(await plugboard.admin.listTopics()).toContain(topic);
    await plugboard.call("DELETE", "/v1/plugins/other?deleteTopics=true");
    await waitUntil("its topic is gone", WAIT_MS, async () => {
      return !(await plugboard.admin.listTopics()).includes(topic) || undefined;
    });
    await plugboard.register("other");
  });

  describe("what is not granted is refused:", () => {
    const reading = async (user: "validator" | "other", topic: string, groupId: string): Promise<string> => {
      const client = secured.clientOf(user);
      const consumer = client.consumer({ groupId, retry: { retries: 0, initialRetryTime: 50 } });
      const ended = new Promise<string>((resolve) => {
        consumer.on(consumer.events.GROUP_JOIN, () => resolve("joined"));
        consumer.on(consumer.events.CRASH, ({ payload }) => resolve(payload.error.message));
      });
      try {
        await consumer.connect();
        await consumer.subscribe({ topics: [topic] });
        await consumer.run({ eachMessage: async () => {} });
        return await ended;
      } catch (error) {
        return (error as Error).message;
      } finally {
        await consumer.disconnect();
      }
    };
    const writing = async (user: "validator" | "manager", topic: string): Promise<string> => {
      const producer = secured.clientOf(user).producer();
      try {
        await producer.connect();
        await producer.send(topic, [{ key: "k", value: "v" }]);
        return "written";
      } catch (error) {
        return (error as Error).message;
      } finally {
        await producer.disconnect();
      }
    };

    test("a plugin reads no other plugin's topic, nor what all teams' responses stand in", async () => {
      const names = namesOf(plugboard);
      const group = names.pluginGroup("validator");
      expect(await reading("validator", `${names.pluginPrefix}other`, group)).toMatch(
        /Not authorized to access topics/i,
      );
      expect(await reading("validator", names.responses, group)).toMatch(/Not authorized to access topics/i);
    });

    test("a plugin joins no other group, whose partitions it would take", async () => {
      const names = namesOf(plugboard);
      const topic = `${names.pluginPrefix}other`;
      expect(await reading("other", topic, names.pluginGroup("other"))).toBe("joined");
      // kafkajs turns the broker's refusal into this; that the user's own group is found shows what it was for.
      for (const group of [names.pluginGroup("validator"), names.routerGroup, names.coreGroup]) {
        expect(await reading("other", topic, group)).toMatch(/Not authorized to access group|Failed to find group/i);
      }
    });

    test("a plugin writes no responses and into no plugin's topic, its own included", async () => {
      const names = namesOf(plugboard);
      for (const topic of [names.responses, `${names.pluginPrefix}other`, `${names.pluginPrefix}validator`]) {
        expect(await writing("validator", topic)).toMatch(/Not authorized to access topics/i);
      }
    });

    test("the manager writes nothing", async () => {
      const names = namesOf(plugboard);
      const other = `${names.pluginPrefix}other`;
      for (const topic of [names.responses, other]) {
        expect(await writing("manager", topic)).toMatch(/Not authorized to access topics/i);
      }
    });
  });

  describe("a process that is not let in says why in a line, and that it is not ready:", () => {
    const NAMES = ["router", "validator", "manager"] as const;
    type Name = (typeof NAMES)[number];
    const NEEDS: Record<Name, Record<string, string>> = {
      router: {},
      validator: {},
      manager: {
        PLUGBOARD_ADMIN_TOKEN: "a-token-of-this-test",
        PLUGBOARD_SIGNING_KEY: "a-key-of-this-test-of-32-bytes-or-more",
      },
    };
    const ENTRIES: Record<Name, string> = {
      router: "apps/router/src/main.ts",
      validator: "plugins/validator/src/main.ts",
      manager: "apps/manager/src/main.ts",
    };

    /** @returns undefined while nothing is known. */
    async function notReady(name: Name, port: string): Promise<true | undefined> {
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(3_000) }).catch(
        () => null,
      );
      // A plugin listens only when it has reached Kafka, and ends when it does not.
      if (name === "validator") return answer === null || answer.status === 503 ? true : undefined;
      if (answer === null) return undefined;
      // The manager serves teams without Kafka; what it lacks stands in its answer.
      if (name === "manager") return /kafka/.test(await answer.text()) || undefined;
      expect(answer.status).toBe(503);
      return true;
    }

    /** Starts all three with these settings of Kafka. */
    async function expectSaid(kafka: Record<string, string>, patterns: Record<Name, RegExp>): Promise<void> {
      const environment = await plugboard.pluginEnvironment("validator");
      const ports = await freePorts(NAMES.length);
      const running = await Promise.all(
        NAMES.map(async (name, index) => {
          const [PLUGBOARD_NAMESPACE, PORT] = [uniqueName("ns"), String(ports[index])];
          const { redisUrl } = testEnvironment();
          const env = { ...environment, ...kafka, ...NEEDS[name], PLUGBOARD_NAMESPACE, PORT, REDIS_URL: redisUrl };
          return { name, port: PORT, child: await startProcess({ name, entry: ENTRIES[name], env }) };
        }),
      );
      try {
        await Promise.all(
          running.map(async ({ name, port, child }) => {
            await child.waitForLog(patterns[name], WAIT_MS);
            await waitUntil(`${name} is not ready`, WAIT_MS, () => notReady(name, port));
          }),
        );
      } finally {
        await Promise.all(running.map(({ child }) => child.kill("SIGKILL")));
      }
    }

    test(
      "a wrong password",
      async () => {
        const byKafkajs = /invalid credentials/;
        await expectSaid(secured.environmentOf("router", "wrong"), {
          router: /"reason":"Kafka refuses the login of router: correct KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"/,
          validator: byKafkajs,
          manager: byKafkajs,
        });
      },
      SLOW_MS,
    );

    test(
      "brokers whose authority is not trusted",
      async () => {
        const byKafkajs = /certificate/;
        await expectSaid(
          { ...secured.environmentOf("router"), KAFKA_TLS_CA: await secured.strangersAuthority() },
          {
            router: /"reason":"the TLS handshake failed: [^"]*certificate[^"]*; KAFKA_TLS_CA names the authority/,
            validator: byKafkajs,
            manager: byKafkajs,
          },
        );
      },
      SLOW_MS,
    );
  });
});
