import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { waitUntil } from "@plugboard/stack";
import { CompactEncrypt, decodeProtectedHeader, importJWK, type JWK } from "jose";
import { z } from "zod";
import { definePlugin, secret } from "../../src/index.ts";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 30_000;
let stage: PluginStage;
const seen: string[] = [];

const definition = definePlugin({
  metadata: { id: "rotated", name: "Rotated", description: "", version: "1", events: ["onResponse"] },
  settings: z.object({ login: z.object({ password: secret(z.string()) }), words: z.array(secret(z.string())) }),
  onEvent: async (_delivery, { settings }) => {
    seen.push([settings.login.password, ...settings.words].join(" "));
    return undefined;
  },
});

beforeAll(async () => {
  stage = await openStage("rotated");
});
afterAll(() => stage.close());

const newKey = () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
const seal = async (key: JWK, value: string, named = true) =>
  await new CompactEncrypt(Buffer.from(JSON.stringify(value)))
    .setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM", ...(named && key.kid !== undefined && { kid: key.kid }) })
    .encrypt(await importJWK(key, "ECDH-ES"));
const registered = async () => {
  const body = stage.manager.heardOf("PUT", /\/v1\/plugins\/rotated$/).at(-1)?.body;
  return body as { url: string; publicKey: JWK };
};
const kidOf = (sealed: unknown) => decodeProtectedHeader(String(sealed)).kid;
const deliver = async (response: string) => {
  const before = seen.length;
  expect(await stage.settled(await stage.route({ team: "red", response }))).toBe("delivered");
  return seen.slice(before);
};

test("what was sealed to the key before is read until it is sealed anew, and after that without it", async () => {
  const [older, newer] = [newKey(), newKey()];
  let plugin = await stage.start(definition, { PLUGIN_PRIVATE_KEY: JSON.stringify(older) });
  const { publicKey: first } = await registered();
  stage.manager.enable("red");
  // Of before keys had names: it names none.
  const seals = [await seal(first, "open", false), await seal(first, "sesame")];
  const [password, word] = seals.map((one) => ({ $sealed: one }));
  const given = { team: "red", version: 1, settings: { login: { password }, words: [word] } };
  expect((await stage.manager.call((await registered()).url, "/initialize", given)).body.status).toBe("applied");
  expect(await deliver("r-1")).toEqual(["open sesame"]);

  await plugin.stop();
  plugin = await stage.start(definition, { PLUGIN_PRIVATE_KEY: JSON.stringify({ keys: [newer, older] }) });
  const { publicKey: second, url } = await registered();
  expect(second.kid).not.toBe(first.kid);
  await waitUntil(
    "it says which keys it holds",
    WAIT_MS,
    () =>
      stage.manager
        .heardOf("PUT", /instances/)
        .some(({ body }) => String(body.keys) === `${second.kid},${first.kid}`) || undefined,
  );
  expect(await deliver("r-2")).toEqual(["open sesame"]);
  const elsewhere = { team: "red", key: "another", seals };
  expect((await stage.manager.call(url, "/reseal", elsewhere)).status).toBe(503);
  const stranger = await seal({ ...first, ...newKeyPublic() }, "of nobody");
  const answer = await stage.manager.call(url, "/reseal", {
    team: "red",
    key: second.kid,
    seals: [...seals, stranger],
  });
  const resealed = answer.body.seals as (string | null)[];
  expect(resealed.map((one) => one && kidOf(one))).toEqual([second.kid, second.kid, null]);
  expect(await deliver("r-3")).toEqual(["open sesame"]);

  await plugin.stop();
  plugin = await stage.start(definition, { PLUGIN_PRIVATE_KEY: JSON.stringify(newer) });
  expect(await deliver("r-4")).toEqual(["open sesame"]);
  await plugin.stop();

  // A backup of before the rotation: what the manager holds is sealed anew, and taken.
  await stage.query("UPDATE team_settings SET settings = $1", [JSON.stringify(given.settings)]);
  const [one, two] = resealed.map((sealed) => ({ $sealed: sealed }));
  const settings = { login: { password: one }, words: [two] };
  stage.manager.settings = [{ team: "red", version: 1, state: "applied", settings }];
  await stage.start(definition, { PLUGIN_PRIVATE_KEY: JSON.stringify(newer) });
  await waitUntil("the seals are the manager's", WAIT_MS, async () => {
    const [row] = await stage.query<{ settings: unknown }>("SELECT settings FROM team_settings");
    return JSON.stringify(row?.settings) === JSON.stringify(settings) || undefined;
  });
  expect(await deliver("r-5")).toEqual(["open sesame"]);
}, 180_000);

function newKeyPublic(): JWK {
  const { x, y } = newKey();
  return { x, y } as JWK;
}
