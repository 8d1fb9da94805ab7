import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Harness, startHarness } from "@plugboard/plugin-sdk/testing";
import { plugin } from "../src/plugin.ts";
import type { settingsSchema } from "../src/settings.ts";

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

describe("{{ id }}, in the SDK's harness on a real Postgres", () => {
  const address = new Address();
  let harness: Harness<typeof settingsSchema>;
  const keys = () => address.heard.map(({ headers }) => headers["idempotency-key"]);
  const answered = (response: string) => ({ response, data: { answers: { name: "Amina" } } });

  beforeAll(async () => {
    const url = await address.start();
    harness = await startHarness(plugin);
    const wrong = await harness.configure({ url, token: "wrong" });
    expect(wrong).toMatchObject({ status: "refused", reasons: [{ path: "/token" }] });
    expect(await harness.configure({ url, token: TOKEN })).toMatchObject({ status: "applied" });
  }, 60_000);
  afterAll(async () => {
    await harness?.close();
    address.stop();
  });

  test("a response is posted once, with its delivery's id as idempotency key", async () => {
    const event = { id: "e-1", ...answered("r-1") };
    const { outcome, deliveryId } = await harness.deliver(event);
    expect(outcome).toBe("delivered");
    expect(await harness.deliver(event)).toMatchObject({ outcome: "duplicate" });
    expect(keys().filter((key) => key === deliveryId)).toHaveLength(1);
    expect(JSON.parse(address.heard.at(-1)?.body ?? "")).toMatchObject({ data: { answers: { name: "Amina" } } });
  });

  test("an address that is overloaded is asked again later", async () => {
    address.statuses = [503];
    const { outcome, deliveryId } = await harness.deliver(answered("r-2"));
    expect(outcome).toBe("retry");
    expect(await harness.advance(60_000)).toMatchObject([{ deliveryId, outcome: "delivered", attempt: 2 }]);
    expect(keys().filter((key) => key === deliveryId)).toHaveLength(2);
  });

  test("an address that does not want it is not asked again; the response becomes a dead letter", async () => {
    address.statuses = [410];
    const { outcome, deliveryId } = await harness.deliver(answered("r-3"));
    expect(outcome).toBe("rejected");
    expect(await harness.advance(86_400_000)).toEqual([]);
    expect(keys().filter((key) => key === deliveryId)).toHaveLength(1);
    expect(harness.deadLetters).toMatchObject([{ deliveryId, reason: "rejected" }]);
  });

  test("the action posts its text and tells what the address answered", async () => {
    expect(await harness.action("send-test", { text: "Jambo" })).toEqual({ status: 200 });
    expect(address.heard.at(-1)?.body).toBe('{"text":"Jambo"}');
  });
  //{% if sync %}

  test("inside a submit, a response without answers is flagged", async () => {
    expect(await harness.submit({ data: { answers: {} } })).toMatchObject({ outcome: "flagged" });
    expect(await harness.submit({ data: { answers: { a: 1 } } })).toMatchObject({ outcome: "passed" });
  });
  //{% endif %}
});
