import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { managerRoutes } from "../../src/index.ts";

type Answer = { readonly status: number; readonly body: string } | "none";

describe("asking the manager for routes", () => {
  const never = new AbortController().signal;
  let server: Server;
  let url: string;
  let answers: Answer[];
  let asked: Array<{ readonly headers: IncomingMessage["headers"]; readonly body: string; readonly path: string }>;

  beforeEach(async () => {
    answers = [];
    asked = [];
    server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        asked.push({ headers: request.headers, body, path: request.url ?? "" });
        const answer = answers.shift() ?? { status: 500, body: "nothing prepared" };
        if (answer !== "none") response.writeHead(answer.status).end(answer.body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const entry = { v: 1, plugins: [] };
  const good: Answer = { status: 200, body: JSON.stringify({ teams: { a: entry, b: null }, plugins: {} }) };
  const fetchRoutes = () => managerRoutes({ managerUrl: url, token: "t0ken" })({ teams: ["a", "b"] }, never);

  test("sends the ids with the token, and answers with the entries", async () => {
    answers.push(good);
    expect(await fetchRoutes()).toEqual({ teams: { a: entry, b: null }, plugins: {} });
    expect(asked[0]).toMatchObject({ path: "/internal/routes", headers: { authorization: "Bearer t0ken" } });
    expect(JSON.parse(asked[0]?.body ?? "")).toEqual({ teams: ["a", "b"] });
  });

  test("tries once more after a failure, and no more than once", async () => {
    answers.push({ status: 503, body: "" }, good);
    expect((await fetchRoutes()).teams.a).toEqual(entry);
    answers.push({ status: 503, body: "" }, { status: 503, body: "again" }, good);
    await expect(fetchRoutes()).rejects.toThrow("503: again");
    expect(asked).toHaveLength(4);
  });

  test("does not repeat what the manager refuses", async () => {
    answers.push({ status: 403, body: "no" }, good);
    await expect(fetchRoutes()).rejects.toThrow(/the manager answered 403: no \(is MANAGER_TOKEN valid/);
    expect(asked).toHaveLength(1);
  });

  test("takes no answer that leaves out an id or is of another form", async () => {
    const partial: Answer = { status: 200, body: JSON.stringify({ teams: { a: entry }, plugins: {} }) };
    answers.push(partial, partial);
    await expect(fetchRoutes()).rejects.toThrow("left out 1 of the ids");
    const odd: Answer = { status: 200, body: '{"teams":{"a":{"v":"one"}},"plugins":{}}' };
    answers.push(odd, odd);
    await expect(fetchRoutes()).rejects.toThrow();
  });

  test("ends with the caller's signal while the manager is silent", async () => {
    answers.push("none", "none");
    const given = AbortSignal.timeout(200);
    await expect(managerRoutes({ managerUrl: url, token: "t" })({ teams: ["a"] }, given)).rejects.toThrow();
    expect(given.aborted).toBe(true);
  });
});
