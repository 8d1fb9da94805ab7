import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { systemClock } from "@plugboard/runtime";
import { JoseTokens } from "../../src/adapters/jose-tokens.ts";
import { makeSecrets } from "../../src/adapters/secret-directory.ts";

let directory = "";
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), "secrets-")), "secrets");
});
afterEach(async () => {
  await rm(join(directory, ".."), { recursive: true, force: true });
});

const secret = async (name: string) => (await readFile(join(directory, name), "utf8")).trimEnd();
const contents = async () =>
  Object.fromEntries(await Promise.all((await readdir(directory)).map(async (name) => [name, await secret(name)])));

describe("the secrets of an installation", () => {
  test("are made one file each, in a directory that only its owner enters", async () => {
    const files = await makeSecrets(directory, ["sms"]);
    expect(files.map(({ name }) => name).sort()).toEqual((await readdir(directory)).sort());
    expect(files.every(({ state, problem }) => state === "made" && problem === null)).toBe(true);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(join(directory, "signing-key"))).mode & 0o777).toBe(0o444);
    expect(new Set(Object.values(await contents())).size).toBe(files.length);
  });

  test("hold tokens that a manager with that signing key takes, each for one role", async () => {
    await makeSecrets(directory, ["sms"]);
    const tokens = new JoseTokens({
      adminToken: await secret("admin-token"),
      signingKey: await secret("signing-key"),
      clock: systemClock,
    });
    expect(await tokens.principal(await secret("admin-token"))).toEqual({ role: "admin" });
    expect(await tokens.principal(await secret("router-token"))).toEqual({ role: "router", subject: "router" });
    expect(await tokens.principal(await secret("core-token"))).toEqual({ role: "core", subject: "core" });
    expect(await tokens.principal(await secret("sms-token"))).toEqual({ role: "plugin", subject: "sms" });
  });

  test("have a database address with the database's own password, and a private key of the plugin's curve", async () => {
    await makeSecrets(directory, ["sms"]);
    expect(new URL(await secret("database-url")).password).toBe(await secret("postgres-password"));
    expect(JSON.parse(await secret("sms-key"))).toMatchObject({ kty: "EC", crv: "P-256", d: expect.any(String) });
  });

  test("are never overwritten; one more plugin gets its own", async () => {
    await makeSecrets(directory, ["sms"]);
    const before = await contents();
    const files = await makeSecrets(directory, ["sms", "notebook"]);
    expect(files.filter(({ state }) => state === "made").map(({ name }) => name)).toEqual([
      "notebook-token",
      "notebook-key",
    ]);
    expect(await contents()).toMatchObject(before);
  });

  test("are made whole by two at once, which then agree", async () => {
    await Promise.all([makeSecrets(directory, ["sms"]), makeSecrets(directory, ["sms"])]);
    const files = await makeSecrets(directory, ["sms"]);
    expect(files.filter(({ problem }) => problem !== null)).toEqual([]);
    expect((await readdir(directory)).filter((name) => /\.[0-9a-f]{12}$/.test(name))).toEqual([]);
  });

  test("that do not go together are named: a token of another signing key, an address with another password", async () => {
    await makeSecrets(directory, []);
    await rm(join(directory, "signing-key"));
    await rm(join(directory, "postgres-password"));
    const files = await makeSecrets(directory, []);
    expect(files.filter(({ problem }) => problem !== null).map(({ name }) => name)).toEqual([
      "database-url",
      "router-token",
      "core-token",
    ]);
  });
});
