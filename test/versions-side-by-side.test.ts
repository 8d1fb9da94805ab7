import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { deliveryId } from "@plugboard/contract";
import { waitUntil } from "@plugboard/stack";
import { PlugboardUnderTest, type Service } from "./plugboard-under-test.ts";

jest.setTimeout(240_000);
const WAIT_MS = 90_000;
const ENTRY = "packages/plugin-sdk/test/support/versioned-plugin.ts";

interface Handled {
  readonly version: string;
  readonly id: string;
  readonly settings: { readonly word: string; readonly tone?: string };
}

let plugboard: PlugboardUnderTest;
let sink: Server;
const handled: Handled[] = [];

beforeAll(async () => {
  plugboard = await PlugboardUnderTest.open();
  await plugboard.startRouter();
  sink = createServer(async (request, response) => {
    handled.push(JSON.parse(await text(request)) as Handled);
    response.end();
  });
  await new Promise<void>((resolve) => sink.listen(0, "127.0.0.1", resolve));
}, 120_000);
afterAll(async () => {
  await plugboard?.close();
  sink?.close();
}, 60_000);

const start = (version: string): Promise<Service> =>
  plugboard.startPlugin(
    "versioned",
    { VERSION: version, SINK_URL: `http://127.0.0.1:${(sink.address() as AddressInfo).port}` },
    ENTRY,
  );
const view = async () =>
  (await plugboard.call("GET", "/v1/plugins/versioned")) as {
    version: string;
    events: string[];
    instances: { version: string | null }[];
  };
const versionsAlive = (wanted: string[]) =>
  waitUntil(`instances of ${wanted.join(" and ")} live`, WAIT_MS, async () => {
    const alive = (await view()).instances.map(({ version }) => version).sort();
    return alive.join() === wanted.join() || undefined;
  });

test("two versions side by side, under a stream, with new settings and a manager that restarts: nothing is lost, doubled or undone", async () => {
  const first = await start("1");
  await plugboard.enable("red", "versioned");
  await plugboard.configure("red", "versioned", { word: "before" });
  const sent: string[] = [];
  const streaming = new AbortController();
  const stream = (async () => {
    while (!streaming.signal.aborted) {
      const id = `e-${sent.length}`;
      await plugboard.emit([{ team: "red", id, response: `r-${sent.length}` }]);
      sent.push(deliveryId("red", "versioned", "e2e", id));
      await sleep(20);
    }
  })();
  await waitUntil(
    "the first version works",
    WAIT_MS,
    () => handled.some(({ version }) => version === "1") || undefined,
  );

  const second = await start("2");
  await versionsAlive(["1", "2"]);
  await waitUntil("both work", WAIT_MS, () => handled.some(({ version }) => version === "2") || undefined);

  // The first one would refuse these, and a registration of it would refuse the team.
  await plugboard.configure("red", "versioned", { word: "after", tone: "loud" });
  await waitUntil(
    "the new settings are used",
    WAIT_MS,
    () => handled.some(({ settings: { tone } }) => tone === "loud") || undefined,
  );

  await plugboard.manager.end("SIGKILL");
  await waitUntil(
    "the first version misses the manager",
    WAIT_MS,
    () => first.logs().includes("heartbeat failed") || undefined,
  );
  await plugboard.manager.start();
  await waitUntil(
    "the first version leaves the registration alone",
    WAIT_MS,
    () => first.logs().includes("the registration of another version stands") || undefined,
  );
  expect(await view()).toMatchObject({ version: "2", events: ["onResponse", "onResponseUpdate"] });

  expect(await first.end("SIGTERM")).toBe(0);
  await versionsAlive(["2"]);
  streaming.abort();
  await stream;
  await waitUntil(
    "everything is delivered",
    WAIT_MS,
    () => new Set(handled.map(({ id }) => id)).size === sent.length || undefined,
  );
  expect(handled.map(({ id }) => id).sort()).toEqual([...sent].sort());
  expect(handled.filter(({ version, settings }) => version === "1" && settings.word === "after")).toEqual([]);
  expect(await second.end("SIGTERM")).toBe(0);
});
