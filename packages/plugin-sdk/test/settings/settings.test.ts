import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { SettingsError } from "@plugboard/runtime";
import { CompactEncrypt, importJWK } from "jose";
import { z } from "zod";
import { secret } from "../../src/index.ts";
import { hasSecrets, jsonSchemaOf } from "../../src/registration/registration-body.ts";
import { loadPluginSettings } from "../../src/settings/env-settings.ts";
import { openSeals } from "../../src/settings/open-seals.ts";
import { loadPrivateKeys } from "../../src/settings/private-key.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "plugboard-keys-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});
const source = (given?: string) => ({ plugin: "p", given, directory: join(directory, "keys"), production: false });

describe("a plugin's environment", () => {
  test("is refused with every problem at once", () => {
    const attempt = () => loadPluginSettings("p", { PORT: "many", PLUGIN_CONCURRENCY: "0", KAFKA_BROKERS: "" });
    expect(attempt).toThrow(SettingsError);
    for (const name of ["PORT", "PLUGIN_CONCURRENCY", "KAFKA_BROKERS", "DATABASE_URL", "MANAGER_TOKEN"]) {
      expect(attempt).toThrow(new RegExp(`\\b${name} `));
    }
  });
});

describe("the private key", () => {
  test("is made once in development, in a file only its owner can read, also when two start together", async () => {
    const [one, two] = await Promise.all([loadPrivateKeys(source()), loadPrivateKeys(source())]);
    const again = await loadPrivateKeys(source());
    expect(two[0].publicJwk).toEqual(one[0].publicJwk);
    expect(again[0].publicJwk).toEqual(one[0].publicJwk);
    expect(one[0].publicJwk).not.toHaveProperty("d");
    expect((await stat(join(directory, "keys", "p.json"))).mode & 0o777).toBe(0o600);
  });

  test("has to be given in production", async () => {
    await expect(loadPrivateKeys({ ...source(), production: true })).rejects.toThrow("PLUGIN_PRIVATE_KEY is required");
  });

  test.each(["not json", '{"kty":"EC"}', '{"kty":"oct","k":"c2VjcmV0"}', '{"keys":[]}'])(
    "is refused as %s, without quoting it",
    async (text) => {
      await expect(loadPrivateKeys(source(text))).rejects.toThrow(
        /must be a private P-256 key as JWK, or a JWK Set of at most 5, the newest first$/,
      );
    },
  );

  test("is taken from the environment as it is", async () => {
    const made = await loadPrivateKeys(source());
    const text = await readFile(join(directory, "keys", "p.json"), "utf8");
    expect((await loadPrivateKeys({ ...source(text), production: true }))[0].publicJwk).toEqual(made[0].publicJwk);
  });
});

describe("openSeals", () => {
  test("opens seals at any depth and leaves everything else as it is", async () => {
    const key = await loadPrivateKeys(source());
    const jwe = await new CompactEncrypt(Buffer.from(JSON.stringify({ token: ["x"] })))
      .setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" })
      .encrypt(await importJWK(key[0].publicJwk, "ECDH-ES"));
    const sealed = { plain: 1, list: [{ inner: { $sealed: jwe } }], odd: { $sealed: 5 } };
    expect(await openSeals(sealed, key)).toEqual({
      kind: "opened",
      settings: { plain: 1, list: [{ inner: { token: ["x"] } }], odd: { $sealed: 5 } },
    });
    expect(await openSeals(sealed, null)).toMatchObject({ kind: "unopened", problems: [{ path: "/list/0/inner" }] });
  });
});

describe("secrets in a schema", () => {
  test("are writeOnly in the JSON Schema, also when optional or with a default, and found at any depth", () => {
    const schema = jsonSchemaOf(
      z.object({ a: z.object({ b: secret(z.string()).optional() }), c: secret(z.string()).default("x") }),
    );
    expect(schema).toMatchObject({
      properties: { a: { properties: { b: { writeOnly: true } } }, c: { writeOnly: true, default: "x" } },
    });
    expect(hasSecrets(schema)).toBe(true);
    expect(hasSecrets(jsonSchemaOf(z.object({ writeOnly: z.string() })))).toBe(false);
  });
});
