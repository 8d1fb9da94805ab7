import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { registrationResponseSchema } from "@plugboard/contract";
import { createKafkaClient } from "@plugboard/kafka";
import { createLogger } from "@plugboard/runtime";
import { testEnvironment, waitUntil } from "@plugboard/stack";
import { exportJWK, generateKeyPair } from "jose";
import { createGround, eventually, registration, type TestGround, type TestManager } from "../test-manager.ts";

let ground: TestGround;
let manager: TestManager;
beforeAll(async () => {
  ground = await createGround();
  manager = await ground.start();
});
afterAll(() => ground.clear());

const pathsOf = (answer: { body: { problems?: { path: string }[] } }) =>
  (answer.body.problems ?? []).map(({ path }) => path).toSorted();

describe("registration", () => {
  test("names topics, lease and webhook secret, and creates the topics of all lanes as the settings say", async () => {
    const answer = await manager.call("PUT", "/v1/plugins/fresh", registration());
    expect(answer.status).toBe(201);
    const body = registrationResponseSchema.parse(answer.body);
    expect(body).toEqual({
      id: "fresh",
      topics: {
        live: `${ground.topicPrefix}fresh`,
        priority: `${ground.topicPrefix}fresh.priority`,
        bulk: `${ground.topicPrefix}fresh.bulk`,
        deadLetter: `${ground.topicPrefix}fresh.dlq`,
      },
      leaseSeconds: 15,
      webhookSecret: expect.stringMatching(/^whsec_[A-Za-z0-9+/=]{44}$/),
      pendingApproval: [],
    });
    const { live, priority, bulk } = body.topics;
    const { topics } = await kafka((admin) => admin.fetchTopicMetadata({ topics: [live, priority, bulk] }));
    expect(topics.map(({ partitions }) => partitions.length)).toEqual([2, 2, 2]);
  });

  test("done again it makes the lanes that an older manager had not made", async () => {
    const { body } = await manager.call("PUT", "/v1/plugins/older", registration());
    const { topics } = registrationResponseSchema.parse(body);
    const missing = [topics.priority, topics.bulk];
    await kafka(async (admin) => {
      await admin.deleteTopics({ topics: missing });
      await waitUntil("they are gone", 10_000, async () => {
        const existing = await admin.listTopics();
        return missing.every((topic) => !existing.includes(topic)) || undefined;
      });
    });
    expect((await manager.call("PUT", "/v1/plugins/older", registration())).status).toBe(200);
    expect(await kafka((admin) => admin.listTopics())).toEqual(expect.arrayContaining(missing));
  });

  test("done again it is harmless: the same secret, 200, and no new version of the route", async () => {
    const first = await manager.call("PUT", "/v1/plugins/again", registration());
    const second = await manager.call("PUT", "/v1/plugins/again", registration());
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(second.body.webhookSecret).toBe(first.body.webhookSecret);
    expect((await routeOf("again")).v).toBe(1);
  });

  test("ten first registrations at once leave one plugin", async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => manager.call("PUT", "/v1/plugins/rush", registration())),
    );
    expect(answers.map(({ status }) => status).every((status) => status === 200 || status === 201)).toBe(true);
    expect((await routeOf("rush")).v).toBe(1);
  });

  test("every problem is told with its place, and nothing is stored", async () => {
    const answer = await manager.call(
      "PUT",
      "/v1/plugins/bad",
      registration({
        name: "nul \u0000",
        url: "http://user:secret@host/?query",
        settings: { type: "array", properties: { token: { type: "nonsense", writeOnly: true } } },
        actions: [
          { name: "twice", input: { type: "object" } },
          { name: "twice", input: { type: "string" } },
        ],
        priorityEvents: ["onOther"],
      }),
    );
    expect([answer.status, answer.body.code]).toEqual([400, "invalid-input"]);
    expect(pathsOf(answer)).toEqual([
      "/actions/1/input/type",
      "/actions/1/name",
      "/name",
      "/priorityEvents/0",
      "/publicKey",
      "/settings",
      "/settings/type",
      "/url",
    ]);
    expect((await manager.call("GET", "/v1/plugins/bad")).status).toBe(404);
  });

  test.each([
    ["a url that is not http", { url: "ftp://host" }, "/url"],
    [
      "a schema with a remote reference",
      { settings: { type: "object", $ref: "https://example.org/x" } },
      "/settings/$ref",
    ],
    ["an asynchronous schema", { settings: { type: "object", $async: true } }, "/settings"],
    ["an unknown draft", { settings: { type: "object", $schema: "https://example.org/draft" } }, "/settings"],
    ["an unknown field", { unknown: 1 }, ""],
    ["an event that is no name", { events: ["on response"] }, "/events/0"],
    ["a deadline beyond ten seconds", { sync: { deadlineMs: 60_000 } }, "/sync/deadlineMs"],
    ["a key that cannot be sealed to", { publicKey: { kty: "oct", alg: "HS256" } }, "/publicKey"],
    ["a schema over the bound", { settings: { type: "object", description: "x".repeat(140_000) } }, "/settings"],
  ])("%s is refused", async (_what, change, path) => {
    const answer = await manager.call("PUT", "/v1/plugins/bad", registration(change));
    expect([answer.status, pathsOf(answer)]).toEqual([400, [path]]);
  });

  test("a private key is refused, and not repeated in the answer", async () => {
    const { privateKey } = await generateKeyPair("ECDH-ES", { crv: "P-256", extractable: true });
    const jwk = { ...(await exportJWK(privateKey)), alg: "ECDH-ES" };
    const answer = await manager.call("PUT", "/v1/plugins/bad", registration({ publicKey: jwk }));
    expect([answer.status, pathsOf(answer)]).toEqual([400, ["/publicKey"]]);
    expect(JSON.stringify(answer.body)).not.toContain(jwk.d);
  });

  test("ids that are not ids, and reserved ones, are refused", async () => {
    for (const id of ["UPPER", "a.b", "x".repeat(65), "manager"])
      expect((await manager.call("PUT", `/v1/plugins/${id}`, registration())).status).toBe(400);
  });

  test("a plugin's own change of url and key waits for an admin, who may approve or drop it", async () => {
    const token = await manager.mint("plugin", "moving");
    await manager.call("PUT", "/v1/plugins/moving", registration({ sync: { deadlineMs: 100 } }), token);
    const moved = registration({ sync: { deadlineMs: 100 }, url: "http://127.0.0.1:10", name: "Renamed" });
    const waiting = await manager.call("PUT", "/v1/plugins/moving", moved, token);
    expect(waiting.body.pendingApproval).toEqual(["url"]);
    const view = (await manager.call("GET", "/v1/plugins/moving", undefined, token)).body;
    expect(view).toMatchObject({ url: "http://127.0.0.1:9", name: "Renamed", pendingApproval: ["url"] });
    expect((await manager.call("PATCH", "/v1/plugins/moving", { approve: true }, token)).status).toBe(403);
    expect((await manager.call("PATCH", "/v1/plugins/moving", { approve: false })).body).toMatchObject({
      url: "http://127.0.0.1:9",
      pendingApproval: [],
    });
    await manager.call("PUT", "/v1/plugins/moving", moved, token);
    expect((await manager.call("PATCH", "/v1/plugins/moving", { approve: true })).body).toMatchObject({
      url: "http://127.0.0.1:10",
      pendingApproval: [],
    });
    expect((await routeOf("moving")).sync).toEqual({ url: "http://127.0.0.1:10", deadlineMs: 100 });
  });

  test("an admin's change of url counts at once", async () => {
    await manager.call("PUT", "/v1/plugins/admins", registration());
    await manager.call("PUT", "/v1/plugins/admins", registration({ url: "http://127.0.0.1:10" }));
    expect((await manager.call("GET", "/v1/plugins/admins")).body.url).toBe("http://127.0.0.1:10");
  });
});

describe("instances", () => {
  test("heartbeats count instances up, a goodbye counts one down", async () => {
    const token = await manager.mint("plugin", "alive");
    await manager.call("PUT", "/v1/plugins/alive", registration(), token);
    const first = await manager.call("PUT", "/v1/plugins/alive/instances/one", undefined, token);
    const second = await manager.call("PUT", "/v1/plugins/alive/instances/two", undefined, token);
    expect([first.body.instances, second.body.instances]).toEqual([1, 2]);
    const ahead = Date.parse(second.body.expiresAt) - Date.now();
    expect(ahead).toBeGreaterThan(5_000);
    expect(ahead).toBeLessThanOrEqual(16_000);
    const view = (await manager.call("GET", "/v1/plugins/alive", undefined, token)).body;
    expect([view.up, view.instances.map(({ id }: { id: string }) => id)]).toEqual([true, ["one", "two"]]);
    expect((await manager.call("GET", "/v1/teams/red/plugins/alive")).body.status).toBe("up");
    await manager.call("DELETE", "/v1/plugins/alive/instances/one", undefined, token);
    const last = await manager.call("DELETE", "/v1/plugins/alive/instances/two", undefined, token);
    expect([last.status, last.body.instances]).toEqual([200, 0]);
    expect((await manager.call("GET", "/v1/teams/red/plugins/alive")).body.status).toBe("down");
  });

  test("of a plugin that is not registered cannot be counted", async () => {
    expect((await manager.call("PUT", "/v1/plugins/nobody/instances/one")).status).toBe(404);
    expect((await manager.call("PUT", "/v1/plugins/fresh/instances/NO")).status).toBe(400);
  });
});

describe("maintenance and deregistration", () => {
  test("maintenance shows in the route and outlives a new registration", async () => {
    const token = await manager.mint("plugin", "mended");
    await manager.call("PUT", "/v1/plugins/mended", registration(), token);
    const answer = await manager.call("PATCH", "/v1/plugins/mended", { status: "disabled" }, token);
    expect([answer.status, answer.body.status, answer.body.routing]).toEqual([200, "disabled", "current"]);
    await manager.call("PUT", "/v1/plugins/mended", registration(), token);
    expect(await routeOf("mended")).toMatchObject({ v: 2, state: "disabled" });
    await manager.call("PATCH", "/v1/plugins/mended", { status: "enabled" }, token);
    expect(await routeOf("mended")).toMatchObject({ v: 3, state: "enabled" });
  });

  test("a patch that says nothing is refused", async () => {
    expect((await manager.call("PATCH", "/v1/plugins/mended", {})).status).toBe(400);
    expect((await manager.call("PATCH", "/v1/plugins/nobody", { status: "enabled" })).status).toBe(404);
  });

  test("a deregistered plugin leaves every view but keeps its route's versions, its topics, and may come back", async () => {
    const token = await manager.mint("plugin", "leaving");
    await manager.call("PUT", "/v1/plugins/leaving", registration(), token);
    await manager.call("PUT", "/v1/teams/red/plugins/leaving", { enabled: true });
    expect((await manager.call("DELETE", "/v1/plugins/leaving", undefined, token)).status).toBe(403);
    const answer = await manager.call("DELETE", "/v1/plugins/leaving");
    expect([answer.status, answer.body]).toEqual([
      200,
      { id: "leaving", status: "deregistered", topics: "kept", routing: "current" },
    ]);
    expect(await routeOf("leaving")).toMatchObject({ v: 2, state: "deregistered" });
    const listed = (await manager.call("GET", "/v1/teams/red/plugins")).body.items as { id: string }[];
    expect(listed.map(({ id }) => id)).not.toContain("leaving");
    expect((await manager.call("PUT", "/v1/teams/red/plugins/leaving", { enabled: true })).body.code).toBe(
      "deregistered",
    );
    expect((await manager.call("PUT", "/v1/teams/red/plugins/leaving/config", {})).body.code).toBe("deregistered");
    expect((await manager.call("PUT", "/v1/plugins/leaving/instances/one", undefined, token)).status).toBe(409);
    expect((await manager.call("PATCH", "/v1/plugins/leaving", { status: "enabled" })).status).toBe(409);
    expect(await topicsOf("leaving")).toHaveLength(3);
    expect((await manager.call("PUT", "/v1/plugins/leaving", registration(), token)).status).toBe(200);
    expect(await routeOf("leaving")).toMatchObject({ v: 3, state: "enabled" });
    expect((await manager.call("GET", "/v1/teams/red/plugins/leaving")).body.enabled).toBe(true);
  });

  test("topics go only when asked, after routers have forgotten the plugin", async () => {
    await manager.call("PUT", "/v1/plugins/gone", registration());
    const answer = await manager.call("DELETE", "/v1/plugins/gone?deleteTopics=true");
    expect([answer.status, answer.body.topics]).toEqual([202, "deleting"]);
    expect(await topicsOf("gone")).toHaveLength(3);
    await eventually(async () => (await topicsOf("gone")).length === 0, "the topics are deleted");
    expect((await manager.call("DELETE", "/v1/plugins/gone?deleteTopics=maybe")).status).toBe(400);
    expect((await manager.call("DELETE", "/v1/plugins/nobody")).status).toBe(404);
  });

  test("a plugin that registers again in time keeps its topics", async () => {
    await manager.call("PUT", "/v1/plugins/back", registration());
    await manager.call("DELETE", "/v1/plugins/back?deleteTopics=true");
    await manager.call("PUT", "/v1/plugins/back", registration());
    expect(await scheduledDeletions("back")).toBe(0);
    expect(await topicsOf("back")).toHaveLength(3);
  });
});

describe("views", () => {
  test.each(["%00", "%ff", "UPPER", "a".repeat(65)])("a page after %s, which is no id, is refused", async (after) => {
    for (const path of ["/v1/plugins", "/v1/plugins/fresh/settings", "/v1/teams/red/plugins"]) {
      const answer = await manager.call("GET", `${path}?after=${after}`);
      expect([answer.status, pathsOf(answer)]).toEqual([400, ["/after"]]);
    }
  });

  test("a plugin sees itself only, an admin all, page by page", async () => {
    const token = await manager.mint("plugin", "fresh");
    const own = (await manager.call("GET", "/v1/plugins", undefined, token)).body;
    expect(own.items.map(({ id }: { id: string }) => id)).toEqual(["fresh"]);
    expect((await manager.call("GET", "/v1/plugins/again", undefined, token)).status).toBe(403);
    const all = (await manager.call("GET", "/v1/plugins?limit=500")).body.items.map(({ id }: { id: string }) => id);
    const paged: string[] = [];
    for (let after = ""; ; ) {
      const { items, next } = (await manager.call("GET", `/v1/plugins?limit=3${after && `&after=${after}`}`)).body;
      paged.push(...items.map(({ id }: { id: string }) => id));
      if (next === null) break;
      after = next;
    }
    expect(paged).toEqual(all);
    expect((await manager.call("GET", "/v1/plugins?limit=0")).status).toBe(400);
    expect((await manager.call("GET", "/v1/plugins?nonsense=1")).status).toBe(400);
  });

  test("an admin's view counts the teams that have it enabled", async () => {
    for (const team of ["red", "blue"]) await manager.call("PUT", `/v1/teams/${team}/plugins/fresh`, { enabled: true });
    await manager.call("PUT", "/v1/teams/blue/plugins/fresh", { enabled: false });
    expect((await manager.call("GET", "/v1/plugins/fresh")).body).toMatchObject({ teamsEnabled: 1, status: "enabled" });
  });
});

async function routeOf(plugin: string) {
  return (await manager.call("POST", "/internal/routes", { plugins: [plugin] })).body.plugins[plugin];
}

type Admin = ReturnType<ReturnType<typeof createKafkaClient>["admin"]>;

async function kafka<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
  const settings = { KAFKA_BROKERS: testEnvironment().kafkaBrokers.split(","), KAFKA_TLS: false };
  const admin = createKafkaClient("test", settings, createLogger("test", "silent")).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

async function topicsOf(plugin: string): Promise<string[]> {
  const topics = await kafka((admin) => admin.listTopics());
  return topics.filter((topic) => topic.startsWith(`${ground.topicPrefix}${plugin}`));
}

async function scheduledDeletions(plugin: string): Promise<number> {
  const rows = await ground.query("SELECT 1 FROM topic_deletions WHERE plugin_id = $1", [plugin]);
  return rows.length;
}
