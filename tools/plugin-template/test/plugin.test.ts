import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { waitUntil } from "@plugboard/stack";
import { openStage, type PluginStage } from "../../../packages/plugin-sdk/test/support/plugin-stage.ts";
import { plugin } from "../src/plugin.ts";

const WAIT_MS = 40_000;
const TEAM = "team-1";
const TOKEN = "the-token-of-team-1";

/** The team's address: a real server that answers what it is told to. */
class Address {
  readonly heard: { readonly headers: IncomingHttpHeaders; readonly body: string }[] = [];
  /** Answered once each, in order; then 200. */
  statuses: number[] = [];
  readonly #server: Server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const known = request.headers.authorization === `Bearer ${TOKEN}`;
    if (known) this.heard.push({ headers: request.headers, body });
    response.writeHead(known ? (this.statuses.shift() ?? 200) : 401).end();
  });

  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

describe("{{ id }}, with the real SDK on real Kafka and Postgres", () => {
  const address = new Address();
  let stage: PluginStage;
  let call: (path: string, body: object) => Promise<{ status: number; body: Record<string, unknown> }>;
  const route = (response: string) =>
    stage.route({ team: TEAM, response, revision: 1, data: { answers: { name: "Amina" } } });
  const keys = () => address.heard.map(({ headers }) => headers["idempotency-key"]);

  beforeAll(async () => {
    const [url, opened] = await Promise.all([address.start(), openStage("{{ id }}")]);
    stage = opened;
    stage.manager.enable(TEAM);
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const running = await stage.start(plugin, {
      PLUGIN_PRIVATE_KEY: JSON.stringify(privateKey.export({ format: "jwk" })),
    });
    call = (path, body) => stage.manager.call(running.url, path, body);
    const wrong = await call("/initialize", { team: TEAM, version: 1, settings: { url, token: "wrong" } });
    expect(wrong.body).toMatchObject({ status: "refused", reasons: [{ path: "/token" }] });
    const right = await call("/initialize", { team: TEAM, version: 2, settings: { url, token: TOKEN } });
    expect(right.body).toMatchObject({ status: "applied" });
  }, 60_000);
  afterAll(async () => {
    await stage?.close();
    address.stop();
  });

  test("a response is posted once, with its delivery's id as idempotency key", async () => {
    const id = await route("r-1");
    expect(await stage.settled(id)).toBe("delivered");
    expect(keys().filter((key) => key === id)).toHaveLength(1);
    expect(JSON.parse(address.heard.at(-1)?.body ?? "")).toMatchObject({ data: { answers: { name: "Amina" } } });
  });

  test("an address that is overloaded is asked again later", async () => {
    address.statuses = [503];
    const id = await route("r-2");
    expect(await stage.settled(id)).toBe("delivered");
    expect(keys().filter((key) => key === id)).toHaveLength(2);
  });

  test("an address that does not want it is not asked again; the response becomes a dead letter", async () => {
    address.statuses = [410];
    const id = await route("r-3");
    expect(await stage.settled(id)).toBe("rejected");
    expect(keys().filter((key) => key === id)).toHaveLength(1);
    const letters = await waitUntil("the dead letter is there", WAIT_MS, async () => {
      const records = await stage.records(stage.topics.deadLetter);
      return records.length > 0 ? records : undefined;
    });
    expect(letters.map((letter) => stage.header(letter, "pb-delivery-id"))).toEqual([id]);
  });

  test("the action posts its text and tells what the address answered", async () => {
    const answer = await call("/actions/send-test", { team: TEAM, input: { text: "Jambo" } });
    expect(answer.body).toEqual({ output: { status: 200 } });
    expect(address.heard.at(-1)?.body).toBe('{"text":"Jambo"}');
  });
  //{% if sync %}

  test("inside a submit, a response without answers is flagged", async () => {
    const event = { id: "e-1", team_id: TEAM, event: "onResponse", response_id: "r-4" };
    expect((await call("/execute", { event: { ...event, data: { answers: {} } } })).body).toMatchObject({
      outcome: "flagged",
    });
    expect((await call("/execute", { event: { ...event, data: { answers: { a: 1 } } } })).body).toMatchObject({
      outcome: "passed",
    });
  });
  //{% endif %}
});
