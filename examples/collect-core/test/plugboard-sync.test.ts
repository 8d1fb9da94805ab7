import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { createLogger, HttpServer, problemHandler } from "@plugboard/runtime";
import express from "express";
import { PlugboardSync, type PlugboardSyncOptions, type SyncVerdict } from "../src/plugboard-sync.ts";
import { call } from "./support/core-under-test.ts";
import { accepted, FakeManager, flaggedResult } from "./support/fake-manager.ts";

const manager = new FakeManager();
const running: (() => Promise<void>)[] = [];
beforeAll(() => manager.start());
afterEach(async () => {
  manager.answer = () => accepted([]);
  for (const stop of running.splice(0)) await stop();
});
afterAll(() => manager.stop());

/** A server of one route that knows nothing but the middleware; `stored` counts what its handler ran. */
async function serve(options: Partial<PlugboardSyncOptions> = {}) {
  const seen: SyncVerdict[] = [];
  const plugboard = new PlugboardSync({
    managerUrl: manager.url,
    token: "token",
    deadlineMs: 5_000,
    whenDown: "open",
    observe: (verdict) => seen.push(verdict),
    ...options,
  });
  const app = express();
  const server = { seen, stored: 0, url: "" };
  const event = { id: "e1", team_id: "team-1", event: "onResponse", data: { answers: { a: 1 } } };
  app.post(
    "/submit",
    plugboard.sync(() => event),
    (_request, response) => {
      server.stored += 1;
      response.status(201).json({ id: "r1" });
    },
  );
  app.use(problemHandler(createLogger("test", "silent")));
  const http = new HttpServer(app, 0);
  await http.start();
  running.push(async () => {
    await http.stop();
    await plugboard.close();
  });
  server.url = `http://127.0.0.1:${http.port}/submit`;
  return server;
}

describe("the sync middleware", () => {
  test("appends what the plugins said to the handler's own answer", async () => {
    manager.answer = () => accepted([flaggedResult("savings")]);
    const server = await serve();
    const results = [flaggedResult("savings")];
    expect(await call("POST", server.url)).toMatchObject({
      status: 201,
      body: { id: "r1", plugboard: { status: "processed", accepted: true, results } },
    });
    expect(server.seen).toMatchObject([{ status: "processed" }]);
  });

  test("answers 422 with the results when the response is not accepted, and the handler does not run", async () => {
    const closed = { plugin: "validator", outcome: "timed-out", flags: [], error: "late", durationMs: 500 };
    manager.answer = () => ({ status: 200, body: { accepted: false, results: [closed] } });
    const server = await serve();
    expect(await call("POST", server.url)).toMatchObject({
      status: 422,
      body: { code: "not-accepted", detail: expect.stringContaining("validator"), plugboard: { results: [closed] } },
    });
    expect(server.stored).toBe(0);
  });

  test.each([
    ["is not there", { managerUrl: "http://127.0.0.1:1" }, "ECONNREFUSED"],
    ["does not answer in time", { deadlineMs: 100 }, "within 100 ms"],
    ["refuses the token", { token: "other" }, "401 unauthenticated"],
  ])("takes the response when the manager %s, and says so", async (_, options, reason) => {
    manager.answer = () => "hang";
    const server = await serve(options);
    const { status, body } = await call("POST", server.url);
    expect(status).toBe(201);
    expect(body).toMatchObject({
      id: "r1",
      plugboard: { status: "unavailable", reason: expect.stringContaining(reason) },
    });
  });

  test.each([
    ["no JSON", { status: 200, body: "x" }],
    ["another document", { status: 200, body: { ok: true } }],
    ["an error", { status: 500, body: {} }],
  ])("takes %s of the manager's as no answer", async (_, answer) => {
    manager.answer = () => answer;
    expect((await call("POST", (await serve()).url)).body.plugboard.status).toBe("unavailable");
  });

  test("refuses with 503 while the manager is away when it is closed", async () => {
    const server = await serve({ managerUrl: "http://127.0.0.1:1", whenDown: "closed" });
    expect(await call("POST", server.url)).toMatchObject({ status: 503, body: { code: "unavailable" } });
    expect(server.stored).toBe(0);
  });

  test("leaves a manager that keeps failing alone, and asks again later", async () => {
    manager.answer = () => ({ status: 500, body: {} });
    const server = await serve();
    const before = manager.asked.length;
    for (let n = 0; n < 20; n += 1) await call("POST", server.url);
    expect(manager.asked.length - before).toBeLessThan(20);
    manager.answer = () => accepted([]);
    for (;;) {
      const { body } = await call("POST", server.url);
      if (body.plugboard.status === "processed") break;
    }
    expect(server.seen.at(-1)).toMatchObject({ status: "processed" });
  });
});
