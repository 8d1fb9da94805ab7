import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { exportJWK, generateKeyPair } from "jose";
import { createGround, registration, type TestGround, type TestManager } from "../test-manager.ts";

let ground: TestGround;
let manager: TestManager;
beforeAll(async () => {
  ground = await createGround();
  manager = await ground.start();
});
afterAll(() => ground.clear());

const pathsOf = (answer: { body: { problems?: { path: string }[] } }) =>
  (answer.body.problems ?? []).map(({ path }) => path).toSorted();

describe("a registration", () => {
  test.each<[string, Record<string, unknown>, string[]]>([
    ["a schema without end", { settings: { type: "object", allOf: [{ $ref: "#" }] } }, ["/settings/allOf/0/$ref"]],
    [
      "an action of such a schema",
      { actions: [{ name: "a", input: { type: "object", $ref: "#" } }] },
      ["/actions/0/input/$ref"],
    ],
    ["a url with an empty query", { url: "http://127.0.0.1:9/?" }, ["/url"]],
    ["a url with an empty fragment", { url: "http://127.0.0.1:9/#" }, ["/url"]],
    ["a url without end", { url: `http://127.0.0.1:9/${"a".repeat(3_000)}` }, ["/url"]],
  ])("with %s is refused and not stored", async (_what, change, paths) => {
    const answer = await manager.call("PUT", "/v1/plugins/odd", registration(change));
    expect([answer.status, pathsOf(answer)]).toEqual([400, paths]);
    expect((await manager.call("GET", "/v1/plugins/odd")).status).toBe(404);
  });

  test("with a reference into a secret is refused, for it would lead nowhere once the secret is kept", async () => {
    const secret = {
      type: "object",
      writeOnly: true,
      $defs: { part: { type: "string" } },
      properties: { a: { $ref: "#/properties/secret/$defs/part" } },
    };
    const { publicKey } = await generateKeyPair("ECDH-ES", { crv: "P-256", extractable: true });
    const body = registration({
      settings: { type: "object", properties: { secret } },
      publicKey: { ...(await exportJWK(publicKey)), alg: "ECDH-ES" },
    });
    const answer = await manager.call("PUT", "/v1/plugins/odd", body);
    expect([answer.status, pathsOf(answer)]).toEqual([400, ["/settings"]]);
  });
});
