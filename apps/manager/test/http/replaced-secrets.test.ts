import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { exportJWK, generateKeyPair } from "jose";
import { createGround, registration, type TestGround, type TestManager } from "../test-manager.ts";

let ground: TestGround;
let manager: TestManager;

beforeAll(async () => {
  ground = await createGround();
  manager = await ground.start();
  const { publicKey } = await generateKeyPair("ECDH-ES", { crv: "P-256", extractable: true });
  const login = {
    oneOf: ["password", "token"].map((way) => ({
      type: "object",
      properties: { [way]: { type: "string", writeOnly: true } },
      required: [way],
      additionalProperties: false,
    })),
  };
  const settings = { type: "object", properties: { login } };
  const key = { ...(await exportJWK(publicKey)), alg: "ECDH-ES" };
  await manager.call("PUT", "/v1/plugins/sheets", registration({ settings, publicKey: key }));
  await manager.call("PUT", "/v1/teams/red/plugins/sheets", { enabled: true });
});
afterAll(() => ground.clear());

test("a secret that fits no more is dropped, so that a team can change its way of signing in", async () => {
  const configure = async (body: object) =>
    (await manager.call("PUT", "/v1/teams/red/plugins/sheets/config", body)).status;
  const stored = async () => (await ground.query("SELECT settings->'login' AS login FROM team_plugins"))[0].login;
  for (const way of ["password", "token"]) {
    expect(await configure({ login: { [way]: "secret" } })).toBe(202);
    expect(await stored()).toEqual({ [way]: { $sealed: expect.any(String) } });
  }
  expect(await configure({ login: {} })).toBe(202);
  expect(await stored()).toEqual({ token: { $sealed: expect.any(String) } });
  expect(await configure({ login: { password: 5 } })).toBe(422);
});
