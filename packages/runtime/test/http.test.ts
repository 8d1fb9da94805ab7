import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Failure } from "@plugboard/contract";
import express from "express";
import { z } from "zod";
import {
  createLogger,
  createRegistry,
  type HealthCheck,
  HttpServer,
  jsonBody,
  noSuchPath,
  operationsRoutes,
  problemHandler,
  requestId,
  validInput,
} from "../src/index.ts";

const bodySchema = z.strictObject({ name: z.string(), tags: z.array(z.string()) });
const checks: { critical: string | null; optional: string | null } = { critical: null, optional: null };
let server: HttpServer;
let url: string;

beforeAll(async () => {
  const app = express();
  app.use(requestId);
  app.post("/lists", ...jsonBody(), (request, response) => {
    response.json(validInput(z.array(z.string()), request.body, "body"));
  });
  app.post("/large-things", ...jsonBody(), (request, response) => {
    response.json(validInput(bodySchema, request.body, "body"));
  });
  app.use(...jsonBody(1_000));
  const health: HealthCheck[] = [
    { name: "database", critical: true, problem: () => checks.critical },
    { name: "mail", critical: false, problem: () => checks.optional },
  ];
  app.use(operationsRoutes(health, createRegistry()));
  app.post("/things", (request, response) => {
    response.json(validInput(bodySchema, request.body, "body"));
  });
  app.get("/broken", () => {
    throw new Error("the password is hunter2");
  });
  app.get("/late", () => {
    throw new Failure("plugin-late", "no answer within 1 s");
  });
  app.use(noSuchPath, problemHandler(createLogger("test", "silent")));
  server = new HttpServer(app, 0, "127.0.0.1");
  await server.start();
  url = `http://127.0.0.1:${server.port}`;
});
afterAll(() => server.stop());

async function call(path: string, init: RequestInit = {}) {
  const response = await fetch(url + path, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
}
const post = (body: string | Uint8Array<ArrayBuffer>, contentType = "application/json") =>
  call("/things", { method: "POST", body, headers: { "content-type": contentType } });

describe("a request that is wrong", () => {
  test("is told every problem with its JSON pointer, as a problem document with the request's id", async () => {
    const { status, headers, text } = await post('{"tags":["a",7],"x/y":1}');
    expect(status).toBe(400);
    expect(headers.get("content-type")).toMatch(/^application\/problem\+json/);
    const document = JSON.parse(text) as { code: string; instance: string; problems: { path: string }[] };
    expect(document.code).toBe("invalid-input");
    expect(document.instance).toBe(`urn:request:${headers.get("x-request-id")}`);
    expect(document.problems.map(({ path }) => path)).toEqual(["/name", "/tags/1", ""]);
  });

  test.each([
    ["no JSON", "{", "application/json", 400, "invalid-json"],
    ["another content type", "a=1", "text/plain", 415, "unsupported-media-type"],
    ["too large", JSON.stringify({ name: "x".repeat(2_000), tags: [] }), "application/json", 413, "too-large"],
  ])("that is %s is refused as that", async (_, body, contentType, status, code) => {
    const answer = await post(body, contentType);
    expect([answer.status, (JSON.parse(answer.text) as { code: string }).code]).toEqual([status, code]);
  });

  test("in thousands of places is told the first hundred, and how many there are", async () => {
    const { status, text } = await call("/lists", {
      method: "POST",
      body: `[${"1,".repeat(30_000)}1]`,
      headers: { "content-type": "application/json" },
    });
    const { detail, problems } = JSON.parse(text) as { detail: string; problems: { path: string }[] };
    expect([status, detail, problems.length, problems[99]?.path]).toEqual([400, "body: 30001 problems", 100, "/99"]);
  });

  test("at great length is told shortly", async () => {
    const keys = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`key-${index}`, 1]));
    const body = JSON.stringify({ name: "x", tags: [], ...keys });
    const headers = { "content-type": "application/json" };
    const { status, text } = await call("/large-things", { method: "POST", body, headers });
    const { problems } = JSON.parse(text) as { problems: { message: string }[] };
    expect([status, problems.length, text.length < 2_000]).toEqual([400, 1, true]);
    expect(problems[0]?.message).toMatch(/^Unrecognized keys: "key-0", "key-1", .*…$/);
  });

  test("for its bytes, which are no text, is not decoded into something else", async () => {
    const { status, text } = await post(Buffer.from('{"name":"\u00e9","tags":[]}', "latin1"));
    expect([status, JSON.parse(text)]).toMatchObject([400, { code: "invalid-json", detail: "the body is not UTF-8" }]);
  });

  test("for a path that is none is not found", async () => {
    expect((await call("/nowhere")).status).toBe(404);
  });
});

describe("an error", () => {
  test("of ours is internal and shows nothing of itself", async () => {
    const { status, text } = await call("/broken");
    expect(status).toBe(500);
    expect(text).not.toContain("hunter2");
  });

  test("that is a Failure keeps its code and status", async () => {
    const { status, text } = await call("/late");
    expect([status, (JSON.parse(text) as { code: string }).code]).toEqual([504, "plugin-late"]);
  });
});

test("a caller's plain request id is kept, another is replaced", async () => {
  expect((await call("/healthz", { headers: { "x-request-id": "abc-1" } })).headers.get("x-request-id")).toBe("abc-1");
  expect((await call("/healthz", { headers: { "x-request-id": "a b" } })).headers.get("x-request-id")).not.toBe("a b");
});

test("/readyz fails for what is critical and only shows the rest", async () => {
  checks.optional = "mail does not answer";
  expect((await call("/readyz")).status).toBe(200);
  checks.critical = "the database does not answer";
  const { status, text } = await call("/readyz");
  expect(status).toBe(503);
  expect(JSON.parse(text)).toEqual({
    ready: false,
    checks: [
      { name: "database", critical: true, problem: "the database does not answer" },
      { name: "mail", critical: false, problem: "mail does not answer" },
    ],
  });
  expect((await call("/healthz")).status).toBe(200);
});
