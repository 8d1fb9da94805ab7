import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createGround, type TestGround, type TestManager } from "../test-manager.ts";

let ground: TestGround;
let manager: TestManager;
beforeAll(async () => {
  ground = await createGround();
  manager = await ground.start();
});
afterAll(() => ground.clear());

test.each([
  ["a header that is none", "GET /healthz HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400, "invalid-input"],
  ["a method that is none", "NOTHING /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400, "invalid-input"],
  [
    "headers without end",
    `GET /healthz HTTP/1.1\r\nHost: x\r\na: ${"x".repeat(20_000)}\r\n\r\n`,
    431,
    "headers-too-large",
  ],
])("%s is answered with a problem document", async (_what, request, status, code) => {
  const socket = connect(Number(new URL(manager.url).port), "127.0.0.1");
  socket.write(request);
  const [head = "", body = ""] = (await text(socket)).split("\r\n\r\n");
  expect(head).toContain(`HTTP/1.1 ${status} `);
  expect(head).toContain("Content-Type: application/problem+json");
  expect(JSON.parse(body)).toMatchObject({ status, code });
});

test.each(["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"])(
  "%s refuses other methods and names its own",
  async (path) => {
    const answer = await manager.fetch(path, { method: "POST" });
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
  },
);

test("the document is not sent again to who has it", async () => {
  const first = await manager.fetch("/openapi.json");
  const etag = first.headers.get("etag") ?? "";
  // fetch would otherwise add no-cache of its own to a request that names an etag.
  const headers = { "if-none-match": etag, "cache-control": "max-age=0" };
  const second = await manager.fetch("/openapi.json", { headers });
  expect([first.status, second.status, await second.text()]).toEqual([200, 304, ""]);
});

test("the page at /docs is allowed what it needs, and all of it comes from here", async () => {
  const page = await manager.fetch("/docs");
  const policy = page.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("script-src 'self';");
  expect(policy).not.toMatch(/unsafe|upgrade-insecure/);
  const html = await page.text();
  const used = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, place = ""]) => place);
  expect(used).toHaveLength(5);
  for (const place of used) expect([place, (await manager.fetch(place)).status]).toEqual([place, 200]);
});
