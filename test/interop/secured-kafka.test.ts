import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { managerAccess, pluginAccess, routerAccess } from "@plugboard/kafka";
import { waitUntil } from "@plugboard/stack";
import { callJson, type PlugboardUnderTest, type Service } from "../plugboard-under-test.ts";
import { aclEntries, grantedTo } from "./acl-entries.ts";
import { type JavaTools, javaTools } from "./java-tools.ts";
import { expectSaid, RefusedProcess } from "./refused-processes.ts";
import { namesOf, SecuredInstallation } from "./secured-installation.ts";

const WAIT_MS = 60_000;
/** For tests that start a process. */
const SLOW_MS = 180_000;
const RULE = { id: "savings", check: "answers.savings <= answers.income", message: "Ask again.", fields: ["savings"] };

const java = await javaTools();
if (typeof java === "string") process.stderr.write(`test/interop/secured-kafka.test.ts skips: ${java}\n`);
const withJava = typeof java === "string" ? test.skip : test;

describe("on a Kafka with TLS, client certificates, SCRAM and nothing granted but what the document says", () => {
  let secured: SecuredInstallation;
  let plugboard: PlugboardUnderTest;
  let core: Service;
  let router: Service;
  let validator: Service;

  beforeAll(async () => {
    secured = await SecuredInstallation.start();
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
    await Promise.all([secured?.stop(), typeof java === "string" ? undefined : java.close()]);
  }, 60_000);

  withJava(
    "the commands of the document grant what it lists",
    async () => {
      const access = [...routerAccess(namesOf(plugboard)), ...managerAccess(namesOf(plugboard))];
      await secured.grantByCommands(java as JavaTools, "by-command", access);
      const granted = await grantedTo("by-command", plugboard.admin);
      expect(granted.map((one) => JSON.stringify(Object.entries(one).toSorted())).toSorted()).toEqual(
        aclEntries("by-command", access)
          .map((one) => JSON.stringify(Object.entries(one).toSorted()))
          .toSorted(),
      );
    },
    SLOW_MS,
  );

  /** Submits a response that breaks the rule and waits until the core has been told so by the plugin. */
  async function flagged(): Promise<void> {
    const body = { answers: { income: 100, savings: 1_000 }, collector: "amina" };
    const { id } = (await callJson("POST", `${core.url}/forms/form-a/submit`, body)) as { id: string };
    await waitUntil("the response is flagged", WAIT_MS, async () => {
      const detail = (await callJson("GET", `${core.url}/responses/${id}`)) as { flags: { message: string }[] };
      return detail.flags[0]?.message === RULE.message || undefined;
    });
  }

  /** Puts a record into the parking topic and waits until it is in its own. */
  async function parkedAndReturned(): Promise<void> {
    const topic = `${plugboard.name}.plugin.other`;
    const count = async () =>
      (await plugboard.admin.fetchTopicOffsets(topic)).reduce((sum, { high }) => sum + Number(high), 0);
    const before = await count();
    const headers = { "pb-parked-target": topic };
    await plugboard.producer.send(`${plugboard.name}.parked`, [{ key: "x", value: "parked", headers }]);
    await waitUntil("the parked copy is returned", WAIT_MS, async () => (await count()) > before || undefined);
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

  test("the router looks at how its topics are kept", () => {
    expect(router.logs()).toMatch(/there is one broker/);
    expect(router.logs()).not.toMatch(/not known whether its settings would lose data/);
  });

  test("how long a record is kept, which the alert on lag needs, is known to who reads it", async () => {
    for (const [service, metric] of [
      [router, "router_retention_seconds"],
      [router, "router_parked_retention_seconds"],
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
    "a router returns parked copies, and delivers exactly once, with these rights as well",
    async () => {
      await parkedAndReturned();
      await router.end("SIGTERM");
      router = await plugboard.startRouter({ ROUTER_DELIVERY: "exactly-once", ROUTER_INSTANCE_ID: "a" });
      await flagged();
      await parkedAndReturned();
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
        expect(await writing("validator", topic)).toMatch(`topic ${topic}: Kafka refuses validator the topic`);
      }
    });

    test("the manager writes nothing", async () => {
      const names = namesOf(plugboard);
      const other = `${names.pluginPrefix}other`;
      for (const topic of [names.responses, other]) {
        expect(await writing("manager", topic)).toMatch(`topic ${topic}: Kafka refuses manager the topic`);
      }
    });
  });

  describe("a process that is not let in says what is missing, is not ready, and goes on trying:", () => {
    const environmentOf = async (user: string, password?: string) => ({
      ...(await plugboard.pluginEnvironment("validator")),
      ...secured.environmentOf(user, password),
    });

    test(
      "a wrong password",
      async () => {
        const login = /Kafka refuses the login of router: correct KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD/;
        await expectSaid(await environmentOf("router", "wrong"), { router: login, validator: login, manager: login });
      },
      SLOW_MS,
    );

    test(
      "brokers whose authority is not trusted",
      async () => {
        const handshake = /the TLS handshake failed: [^"]*certificate[^"]*; KAFKA_TLS_CA names the authority/;
        await expectSaid(
          { ...(await environmentOf("router")), KAFKA_TLS_CA: await secured.strangersAuthority() },
          { router: handshake, validator: handshake, manager: handshake },
        );
      },
      SLOW_MS,
    );

    test(
      "a user without rights",
      async () => {
        const { responses, pluginPrefix, deliveries } = namesOf(plugboard);
        await expectSaid(await environmentOf("ungranted"), {
          router: new RegExp(`"reason":"the topic ${responses} does not exist yet, or may not be read`),
          validator: new RegExp(`"reason":"the topic ${pluginPrefix}validator does not exist yet, or may not be read`),
          manager: new RegExp(`the topic ${deliveries} cannot be created: Not authorized`),
        });
      },
      SLOW_MS,
    );

    test(
      "a user without some, until they are granted",
      async () => {
        const names = namesOf(plugboard);
        const missing = [...routerAccess(names), ...pluginAccess("validator", names)].filter(
          ({ resource }) => resource !== "topic",
        );
        const of = (resource: string) => ({ "topics-only": missing.filter((one) => one.resource === resource) });
        const env = { ...(await environmentOf("topics-only")), PLUGBOARD_NAMESPACE: plugboard.name };
        const own = { ROUTER_DELIVERY: "exactly-once", ROUTER_INSTANCE_ID: "b", ROUTER_GROUP_ID: plugboard.group };
        const started = await Promise.all([
          RefusedProcess.start("router", { ...env, ...own }),
          RefusedProcess.start("validator", env),
        ]);
        const [ofRouter, ofPlugin] = started;
        try {
          await Promise.all([
            ofRouter.says(/"reason":"Kafka refuses topics-only: Transactional Id authorization failed/),
            ofPlugin.says(
              new RegExp(`Kafka refuses topics-only the group.*"group":"${names.pluginGroup("validator")}"`),
            ),
          ]);
          await secured.grant(plugboard.admin, of("transactional-id"));
          await ofRouter.says(/"reason":"Kafka refuses topics-only: Group authorization failed/);
          await ofRouter.says(/"where":"topic [^"]*","what":"Kafka refuses topics-only: [^"]*"[^\n]*not known whether/);
          await secured.grant(plugboard.admin, of("group"));
          await Promise.all(started.map((one) => one.becomesReady()));
        } finally {
          await Promise.all(started.map((one) => one.kill()));
        }
      },
      SLOW_MS,
    );
  });
});
