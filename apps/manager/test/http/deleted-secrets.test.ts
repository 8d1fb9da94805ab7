import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { exportJWK, generateKeyPair } from "jose";
import { createGround, registration, type TestGround, type TestManager } from "../test-manager.ts";

let ground: TestGround;
let manager: TestManager;

const secret = { type: "string", writeOnly: true };
beforeAll(async () => {
  ground = await createGround();
  manager = await ground.start();
  const { publicKey } = await generateKeyPair("ECDH-ES", { crv: "P-256", extractable: true });
  const settings = {
    type: "object",
    properties: {
      note: { type: "string" },
      needed: secret,
      spare: secret,
      nullable: { type: ["string", "null"], writeOnly: true },
      inside: { type: "object", properties: { spare: secret } },
      list: { type: "array", items: { type: "object", properties: { spare: secret } } },
    },
    required: ["needed"],
  };
  const key = { ...(await exportJWK(publicKey)), alg: "ECDH-ES" };
  await manager.call("PUT", "/v1/plugins/sheets", registration({ settings, publicKey: key }));
  await manager.call("PUT", "/v1/teams/red/plugins/sheets", { enabled: true });
});
afterAll(() => ground.clear());

const configure = async (body: object) => await manager.call("PUT", "/v1/teams/red/plugins/sheets/config", body);
const stored = async () => (await ground.query("SELECT settings FROM team_plugins"))[0].settings;
const sealed = { $sealed: expect.any(String) };

test("an optional secret that is null is deleted, wherever it stands, and those left out are kept", async () => {
  await configure({ needed: "a", spare: "b", inside: { spare: "c" }, list: [{ spare: "d" }] });
  const answer = await configure({ note: "x", spare: null, inside: { spare: null }, list: [{ spare: null }] });
  expect(answer.status).toBe(202);
  expect(await stored()).toEqual({ note: "x", needed: sealed, inside: {}, list: [{}] });
});

test("one that is deleted need not have been there, and a PUT without it does not bring it back", async () => {
  await configure({ spare: "b" });
  expect((await configure({ spare: null, inside: { spare: null } })).status).toBe(202);
  expect((await configure({ note: "y" })).status).toBe(202);
  expect(await stored()).toEqual({ note: "y", needed: sealed });
});

test("one that the schema requires is not deleted, and the answer says so", async () => {
  const answer = await configure({ needed: null });
  expect([answer.status, answer.body.problems]).toEqual([422, [{ path: "/needed", message: "is required" }]]);
});

test("null is kept, sealed, where the schema takes it as a value", async () => {
  expect((await configure({ nullable: null })).status).toBe(202);
  expect(await stored()).toMatchObject({ nullable: sealed });
});

test("null for what is no secret is refused as before", async () => {
  const answer = await configure({ note: null, spare: null });
  expect([answer.status, answer.body.problems]).toEqual([422, [{ path: "/note", message: "must be string" }]]);
});
