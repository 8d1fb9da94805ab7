import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import express from "express";
import { createLogger, HttpServer, jsonBody, problemHandler } from "../src/index.ts";

let server: HttpServer;
let url: string;
/** What answers wait for. */
let released: Promise<void>;

function app() {
  const routes = express();
  routes.get("/at-once", (_request, response) => void response.json({ answer: "at once" }));
  routes.get("/waits", async (_request, response) => {
    await released;
    response.json({ answer: "late" });
  });
  routes.get("/begun", async (_request, response) => {
    response.write("the first half, ");
    await released;
    response.end("the second half");
  });
  routes.get("/breaks-off", (_request, response, next) => {
    response.write("the first half, ", () => next(new Error("no second half")));
  });
  routes.post("/things", ...jsonBody(1_000), (request, response) => void response.json(request.body));
  routes.use(problemHandler(createLogger("test", "silent")));
  return routes;
}

beforeAll(async () => {
  server = new HttpServer(app(), 0, "127.0.0.1");
  await server.start();
  url = `http://127.0.0.1:${server.port}`;
});
afterAll(() => server.stop());

/** Sends text as it is; `ended` gives everything that came back once the server has closed. */
function open(port = server.port): { socket: Socket; ended: Promise<string> } {
  const socket = connect(port, "127.0.0.1");
  const ended = new Promise<string>((resolve, reject) => {
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk.toString();
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(received));
  });
  return { socket, ended };
}

const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const statuses = (received: string) => [...received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));

describe("a connection", () => {
  test("carries many requests at once and one after another without one being lost", async () => {
    const worker = async () => {
      for (let sent = 0; sent < 20; sent += 1) {
        const answer = await fetch(`${url}/at-once`);
        expect([answer.status, await answer.json()]).toEqual([200, { answer: "at once" }]);
      }
    };
    await Promise.all(Array.from({ length: 20 }, worker));
  });

  test("is kept longer than fetch and the usual proxies keep it, so that none is met while it closes", async () => {
    const answer = await fetch(`${url}/at-once`);
    const [, seconds] = /timeout=(\d+)/.exec(answer.headers.get("keep-alive") ?? "") ?? [];
    expect(Number(seconds)).toBeGreaterThan(60);
  });

  test("with an unknown expectation is answered as without it", async () => {
    const { socket, ended } = open();
    socket.end("GET /at-once HTTP/1.1\r\nHost: x\r\nExpect: something\r\n\r\n");
    expect(statuses(await ended)).toEqual([200]);
  });
});

describe("a request that no app answers", () => {
  const answer = async (text: string) => {
    const { socket, ended } = open();
    socket.write(text);
    const [head = "", body = ""] = (await ended).split("\r\n\r\n", 2);
    expect(head).toMatch(/content-type: application\/problem\+json/i);
    // Chunks, where there are any, begin with their length.
    return [statuses(head)[0], (JSON.parse(body.slice(body.indexOf("{"), body.lastIndexOf("}") + 1)) as Coded).code];
  };
  interface Coded {
    readonly code: string;
  }
  const to = (target: string) => `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;

  test.each(["/nowhere", "//at-once", "http://[", "http://", "http://x", "*"])(
    "for the target %s is told that there is no such thing, and not by a page",
    async (target) => {
      expect(await answer(to(target))).toEqual([404, "not-found"]);
    },
  );

  test("for it lacks a host is told so, unless it is of the days before hosts", async () => {
    expect(await answer("GET /at-once HTTP/1.1\r\nConnection: close\r\n\r\n")).toEqual([400, "invalid-input"]);
    const { socket, ended } = open();
    socket.write("GET /at-once HTTP/1.0\r\n\r\n");
    expect(statuses(await ended)).toEqual([200]);
  });

  test("for it asks for a proxy is told that this is none", async () => {
    expect(await answer("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n")).toEqual([400, "invalid-input"]);
  });

  test("because its answer broke off sees it broken off, not ended", async () => {
    await expect(fetch(`${url}/breaks-off`).then((response) => response.text())).rejects.toThrow("terminated");
  });
});

describe("a body that is too large", () => {
  const head = "POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
  const large = JSON.stringify("x".repeat(2_000));

  test("is refused as soon as it is announced, before it is sent", async () => {
    const { socket, ended } = open();
    socket.write(`${head}Content-Length: 9000000000\r\nConnection: close\r\n\r\n{`);
    const received = await new Promise<string>((resolve) => socket.once("data", (data) => resolve(data.toString())));
    expect(statuses(received)).toEqual([413]);
    socket.destroy();
    await ended;
  });

  test("is refused when it comes in chunks, and the connection goes on", async () => {
    const { socket, ended } = open();
    const chunk = `${large.length.toString(16)}\r\n${large}\r\n`;
    socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk}${chunk}0\r\n\r\n`);
    socket.write(`${head}Content-Length: 2\r\nConnection: close\r\n\r\n{}`);
    expect(statuses(await ended)).toEqual([413, 200]);
  });

  test("is refused when only unpacking shows how large it is", async () => {
    const body = gzipSync(large.repeat(100));
    expect(body.length).toBeLessThan(1_000);
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    expect((await fetch(`${url}/things`, { method: "POST", body, headers })).status).toBe(413);
  });
});

describe("what is not HTTP", () => {
  test("after an answered request is told, and the connection ends", async () => {
    const { socket, ended } = open();
    socket.write(request("/at-once"));
    await sleep(100);
    socket.write("what is this\r\n\r\n");
    const received = await ended;
    expect(statuses(received)).toEqual([200, 400]);
    expect(received).toContain('"code":"invalid-input"');
  });

  test.each([
    ["that is waited for", "/waits", '{"answer":"late"}'],
    ["that has begun", "/begun", "the second half"],
  ])(
    "after a request whose answer is one %s leaves that answer whole, and then the connection ends",
    async (_, path, last) => {
      const waiting = Promise.withResolvers<void>();
      released = waiting.promise;
      const { socket, ended } = open();
      socket.write(`${request(path)}what is this\r\n\r\n`);
      await sleep(100);
      socket.write("and more of it");
      waiting.resolve();
      const received = await ended;
      expect(statuses(received)).toEqual([200]);
      expect(received).toContain(last);
      expect(received).not.toContain("invalid-input");
    },
  );

  test("inside a body is told in place of the answer that waits for it", async () => {
    const { socket, ended } = open();
    socket.write(
      "POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n",
    );
    const received = await ended;
    expect(statuses(received)).toEqual([400]);
    expect(received).toContain('"code":"invalid-input"');
  });

  test("is told to a caller that goes on sending, and that never closes is cut off", async () => {
    const { socket, ended } = open();
    socket.write(`GET /at-once HTTP/1.1\r\nHost: x\r\na: ${"x".repeat(20_000)}`);
    await sleep(50);
    for (let more = 0; more < 20; more += 1) socket.write("y".repeat(10_000));
    const received = await ended;
    expect(statuses(received)).toEqual([431]);
  });
});

test("a stop waits for the answer under way and not for the connection's idle time", async () => {
  const waiting = Promise.withResolvers<void>();
  released = waiting.promise;
  const own = new HttpServer(app(), 0, "127.0.0.1");
  await own.start();
  const answer = fetch(`http://127.0.0.1:${own.port}/waits`);
  await sleep(100);
  const stopped = own.stop();
  waiting.resolve();
  expect(await (await answer).json()).toEqual({ answer: "late" });
  const late = sleep(20_000, "still waiting", { ref: false });
  expect(await Promise.race([stopped.then(() => "stopped"), late])).toBe("stopped");
});
