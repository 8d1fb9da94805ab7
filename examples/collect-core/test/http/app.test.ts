import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type Core, call, coreEnvironment, type Json, startCore, surveyForm } from "../support/core-under-test.ts";
import { accepted, FakeManager, flaggedResult } from "../support/fake-manager.ts";

const manager = new FakeManager();
let core: Core;
let cleanUp: () => Promise<void>;

beforeAll(async () => {
  await manager.start();
  const own = await coreEnvironment({ MANAGER_URL: manager.url });
  cleanUp = own.cleanUp;
  core = await startCore(own.settings);
  await call("PUT", `${core.url}/forms/survey`, surveyForm);
});
beforeEach(() => {
  manager.answer = () => accepted([]);
});
afterAll(async () => {
  await core?.stop();
  await manager.stop();
  await cleanUp?.();
});

const good = { answers: { savings: 1, income: 2 }, collector: "ada" };
const submit = (body: unknown = good, headers = {}, form = "survey") =>
  call("POST", `${core.url}/forms/${form}/submit`, body, headers);
const problems = (body: Json) => body.problems.map(({ path }: { path: string }) => path);

describe("a submission", () => {
  test("is stored, asked about as the event it becomes, and answered with what the plugins said", async () => {
    manager.answer = () => accepted([flaggedResult("savings")]);
    const { status, body, headers } = await submit();
    expect(status).toBe(201);
    expect(headers.get("location")).toBe(`/responses/${body.id}`);
    expect(body).toMatchObject({
      form: "survey",
      team: "team-1",
      revision: 1,
      plugboard: { status: "processed", accepted: true, results: [{ plugin: "validator", outcome: "flagged" }] },
    });
    expect(manager.asked.at(-1)).toMatchObject({
      id: `${body.id}.1`,
      source: "collect-core",
      team_id: "team-1",
      event: "onResponse",
      form_id: "survey",
      response_id: body.id,
      revision: 1,
      data: good,
    });
    const stored = await call("GET", `${core.url}/responses/${body.id}`);
    expect(stored.body).toMatchObject({
      collector: "ada",
      openFlags: 1,
      revisions: [{ revision: 1, answers: good.answers, sync: body.plugboard }],
      flags: [{ plugin: "validator", rule: "savings", state: "open", revision: 1, fields: ["savings"] }],
    });
  });

  test("keeps the order of its answers", async () => {
    const { body } = await submit('{"answers":{"savings":1,"name":"x","income":2}}');
    const response = await fetch(`${core.url}/responses/${body.id}`);
    expect(await response.text()).toContain('"answers":{"savings":1,"name":"x","income":2}');
  });

  test("repeated under its Idempotency-Key is the same response, asked about once", async () => {
    const key = { "idempotency-key": "key-1" };
    const asked = manager.asked.length;
    const first = await submit(good, key);
    const again = await submit(good, key);
    expect(first.status).toBe(201);
    expect(again).toMatchObject({ status: 200, body: { id: first.body.id, revision: 1, repeated: true } });
    expect(manager.asked.length).toBe(asked + 1);
    expect((await submit({ answers: { income: 9 } }, key)).status).toBe(400);
    const other = await submit(good, { "idempotency-key": "key-2" });
    expect(other.body.id).not.toBe(first.body.id);
  });

  test("sent many times at once under one key is stored once", async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => submit(good, { "idempotency-key": "at-once" })));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  });

  test("with mistakes is refused with every one of them and nothing is asked or stored", async () => {
    const asked = manager.asked.length;
    const { status, body } = await submit({ answers: { savings: "1", extra: 1 }, collector: "", more: 1 });
    expect(status).toBe(400);
    expect(problems(body)).toEqual(["/collector", "", "/answers/savings", "/answers/extra", "/answers/income"]);
    expect(body).toMatchObject({ code: "invalid-input", type: "urn:plugboard:error:invalid-input" });
    expect(manager.asked.length).toBe(asked);
  });

  test.each([
    ["no JSON", "{", {}, 400, "invalid-json"],
    ["a list", "[]", {}, 400, "invalid-input"],
    ["no body", "", {}, 400, "invalid-input"],
    ["another content type", "a=1", { "content-type": "text/plain" }, 415, "unsupported-media-type"],
    ["nested without end", `{"answers":{"name":${"[".repeat(99_999)}${"]".repeat(99_999)}}}`, {}, 400, "invalid-input"],
    ["of half a collector", { ...good, collector: "\ud800" }, {}, 400, "invalid-input"],
    ["a key that is none", good, { "idempotency-key": "a b" }, 400, "invalid-input"],
    ["more than a record holds", { answers: { income: 1, name: "x".repeat(1024 * 1024) } }, {}, 413, "too-large"],
    ["more than a body may have", `"${"x".repeat(2 * 1024 * 1024)}"`, {}, 413, "too-large"],
  ])("that is %s is refused", async (_, body, headers, status, code) => {
    expect(await submit(body, headers)).toMatchObject({ status, body: { code } });
  });

  test("to a form that does not exist is refused", async () => {
    expect(await submit(good, {}, "nowhere")).toMatchObject({ status: 404, body: { code: "not-found" } });
  });

  test("may hold any characters, also those that databases stumble over", async () => {
    const answers = { income: 1, name: "\0 \ud800 ' \" <b> \u2028 😀" };
    manager.answer = () => accepted([flaggedResult("r\0ule", "bad \0 \ud800 text")]);
    const { status, body } = await submit({ answers });
    expect(status).toBe(201);
    const stored = await call("GET", `${core.url}/responses/${body.id}`);
    expect(stored.body.revisions[0].answers).toEqual(answers);
    expect(stored.body.flags[0].rule).toBe("rule");
  });

  test("that a plugin does not accept is not stored", async () => {
    manager.answer = () => ({ status: 200, body: { accepted: false, results: [flaggedResult("savings")] } });
    const before = (await call("GET", `${core.url}/forms/survey/responses?limit=1`)).body.items[0].id;
    const { status, body, headers } = await submit();
    expect(status).toBe(422);
    expect(headers.get("content-type")).toContain("application/problem+json");
    expect(body).toMatchObject({ code: "not-accepted", plugboard: { results: [{ plugin: "validator" }] } });
    expect((await call("GET", `${core.url}/forms/survey/responses?limit=1`)).body.items[0].id).toBe(before);
  });
});

describe("a correction", () => {
  test("is a new revision that resolves the flags of the earlier one", async () => {
    manager.answer = ({ revision }) => accepted(revision === 1 ? [flaggedResult("savings")] : []);
    const { id } = (await submit({ answers: { savings: 9, income: 2 }, collector: "bea" })).body;
    expect((await call("GET", `${core.url}/flags?collector=bea`)).body.items).toMatchObject([
      { responseId: id, rule: "savings", state: "open" },
    ]);
    const corrected = await call("PUT", `${core.url}/responses/${id}`, {
      answers: { savings: 1, income: 2 },
      revision: 1,
    });
    expect(corrected).toMatchObject({ status: 200, body: { id, revision: 2, plugboard: { status: "processed" } } });
    expect(manager.asked.at(-1)).toMatchObject({ id: `${id}.2`, event: "onResponseUpdate", revision: 2 });
    const { body } = await call("GET", `${core.url}/responses/${id}`);
    expect(body).toMatchObject({
      revision: 2,
      collector: "bea",
      openFlags: 0,
      revisions: [
        { revision: 2, answers: { savings: 1 } },
        { revision: 1, answers: { savings: 9 } },
      ],
      flags: [{ revision: 1, state: "resolved" }],
    });
    expect((await call("GET", `${core.url}/flags?collector=bea`)).body.items).toEqual([]);
  });

  test("based on an old revision, or made twice at once, is a conflict", async () => {
    const { id } = (await submit()).body;
    const answers = { income: 3 };
    const both = await Promise.all(
      [1, 2].map(() => call("PUT", `${core.url}/responses/${id}`, { answers, revision: 1 })),
    );
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    const late = await call("PUT", `${core.url}/responses/${id}`, { answers, revision: 1 });
    expect(late).toMatchObject({ status: 409, body: { code: "conflict" } });
    expect((await call("GET", `${core.url}/responses/${id}`)).body.revision).toBe(2);
  });

  test("of nothing, or with mistakes, is refused", async () => {
    expect((await call("PUT", `${core.url}/responses/nothing`, good)).status).toBe(404);
    const { id } = (await submit()).body;
    const refused = await call("PUT", `${core.url}/responses/${id}`, { answers: { savings: true }, revision: 0 });
    expect(problems(refused.body)).toEqual(["/revision", "/answers/savings", "/answers/income"]);
  });
});

test("a deleted response is gone, once", async () => {
  const { id } = (await submit()).body;
  expect((await call("DELETE", `${core.url}/responses/${id}`)).status).toBe(204);
  for (const method of ["GET", "DELETE"]) expect((await call(method, `${core.url}/responses/${id}`)).status).toBe(404);
  expect((await call("PUT", `${core.url}/responses/${id}`, good)).status).toBe(404);
});

describe("listings", () => {
  test("are paged, newest first, and can be narrowed to the flagged", async () => {
    await call("PUT", `${core.url}/forms/listed`, surveyForm);
    manager.answer = ({ data }) =>
      accepted(Number(data?.answers && (data.answers as Json).savings) % 3 === 0 ? [flaggedResult("third")] : []);
    const ids: string[] = [];
    for (let n = 0; n < 10; n += 1) {
      ids.unshift((await submit({ answers: { savings: n, income: 1 } }, {}, "listed")).body.id);
    }
    const pages = async (query: string) => {
      const found: string[] = [];
      for (let after = ""; ; ) {
        const { body } = await call("GET", `${core.url}/forms/listed/responses?limit=3${query}${after}`);
        found.push(...body.items.map(({ id }: { id: string }) => id));
        if (body.next === null) return found;
        after = `&after=${body.next}`;
      }
    };
    expect(await pages("")).toEqual(ids);
    expect(await pages("&flagged=true")).toEqual(ids.filter((_, index) => (9 - index) % 3 === 0));
  });

  test("with a query that is none are refused with every problem", async () => {
    const { status, body } = await call("GET", `${core.url}/forms/survey/responses?limit=0&after=x&flagged=maybe`);
    expect(status).toBe(400);
    expect(problems(body).sort()).toEqual(["/after", "/flagged", "/limit"]);
    expect((await call("GET", `${core.url}/flags`)).status).toBe(400);
  });
});

describe("the pages", () => {
  test("show responses with everything escaped, and correct them without JavaScript", async () => {
    manager.answer = ({ revision }) => accepted(revision === 1 ? [flaggedResult("savings", "more <i>saved</i>")] : []);
    const answers = { savings: 9, income: 2, name: '<script>alert(1)</script>"' };
    const { id } = (await submit({ answers, collector: "<b>eve" })).body;
    const home = await call("GET", `${core.url}/?flagged=true`);
    expect(home.body).toContain(`/pages/responses/${id}`);
    expect(home.body).toContain("&lt;b&gt;eve");
    const page = await call("GET", `${core.url}/pages/responses/${id}`);
    expect(page.body).not.toContain("<script");
    expect(page.body).toContain("&lt;script&gt;");
    expect(page.body).toContain("more &lt;i&gt;saved&lt;/i&gt;");
    expect(page.headers.get("content-security-policy")).toContain("default-src 'self'");
    const form = (fields: Record<string, string>, headers = {}) =>
      fetch(`${core.url}/pages/responses/${id}`, {
        method: "POST",
        body: new URLSearchParams(fields),
        redirect: "manual",
        headers,
      });
    expect((await form({ revision: "1", "answer:savings": "1" }, { origin: "http://evil.example" })).status).toBe(403);
    const json = await call("POST", `${core.url}/pages/responses/${id}`, { revision: "1" });
    expect([json.status, (await call("GET", `${core.url}/responses/${id}`)).body.revision]).toEqual([415, 1]);
    const wrong = await form({ revision: "1", "answer:savings": "many" });
    expect(wrong.status).toBe(400);
    expect(await wrong.text()).toContain("must be a number");
    expect((await form({ revision: "1", "answer:savings": "1" })).status).toBe(303);
    expect((await call("GET", `${core.url}/responses/${id}`)).body).toMatchObject({
      revision: 2,
      openFlags: 0,
      revisions: [{ answers: { ...answers, savings: 1 } }, { revision: 1 }],
    });
  });

  test("tell what does not exist as a page", async () => {
    const { status, headers } = await call("GET", `${core.url}/pages/responses/nothing`);
    expect(status).toBe(404);
    expect(headers.get("content-type")).toContain("text/html");
  });
});

test("the operations' paths answer", async () => {
  expect((await call("GET", `${core.url}/healthz`)).status).toBe(200);
  expect((await call("GET", `${core.url}/readyz`)).body.ready).toBe(true);
  expect((await call("GET", `${core.url}/metrics`)).body).toContain("core_outbox_events");
  expect((await call("GET", `${core.url}/nowhere`)).body.code).toBe("not-found");
});
