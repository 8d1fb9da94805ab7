import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { startProcess, waitUntil } from "@plugboard/stack";
import { CompactEncrypt, importJWK, type JWK } from "jose";
import { openStage } from "../support/plugin-stage.ts";

const PASSWORD = "correct-horse-battery-staple";
const WAIT_MS = 30_000;

test("a secret reaches the handler, and neither the logs at their most talkative nor any table", async () => {
  const stage = await openStage("keeper");
  const keys = await mkdtemp(join(tmpdir(), "plugboard-keys-"));
  const env = stage.environment({ LOG_LEVEL: "trace", PLUGIN_KEYS_DIR: keys });
  const process = await startProcess({
    entry: "packages/plugin-sdk/test/support/secret-plugin.ts",
    name: "keeper",
    env,
  });
  try {
    const { url, publicKey } = await waitUntil("it is registered", WAIT_MS, () => {
      const [registration] = stage.manager.heardOf("PUT", /\/v1\/plugins\/keeper$/);
      return registration?.body as { url: string; publicKey: JWK } | undefined;
    });
    const password = await new CompactEncrypt(Buffer.from(JSON.stringify(PASSWORD)))
      .setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" })
      .encrypt(await importJWK(publicKey, "ECDH-ES"));
    const settings = { password: { $sealed: password }, length: PASSWORD.length };
    const refused = { ...settings, length: "long" };
    await process.waitForLog(/registered/, WAIT_MS);
    const call = (version: number, body: unknown) =>
      stage.manager.call(url, "/initialize", { team: "team-1", version, settings: body });
    expect((await call(1, refused)).body).toMatchObject({ status: "refused", reasons: [{ path: "/length" }] });
    expect((await call(2, settings)).body).toEqual({ status: "applied", version: 2 });
    stage.manager.enable("team-1");
    expect(await stage.settled(await stage.route({ team: "team-1", response: "r" }))).toBe("delivered");
    expect(process.logs()).toContain("a careless line");
    expect(process.logs()).not.toContain(PASSWORD);
    for (const table of ["team_settings", "deliveries", "retries"]) {
      expect(JSON.stringify(await stage.query(`SELECT * FROM ${table}`))).not.toContain(PASSWORD);
    }
  } finally {
    await process.kill();
    await stage.close();
    await rm(keys, { recursive: true });
  }
});
