import { randomBytes } from "node:crypto";
import { chmod, link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SettingsError } from "@plugboard/runtime";
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";
import { z } from "zod";

/** A key pair: the manager seals secrets to the public half, only the plugin opens them. */
interface PluginKey {
  readonly kid: string;
  readonly publicJwk: JWK;
  readonly privateKey: CryptoKey;
}

/** A plugin's keys: what is new is sealed to the first, and all open what was sealed to them. */
export type PluginKeys = readonly [current: PluginKey, ...earlier: PluginKey[]];

const ALGORITHM = "ECDH-ES";
/** The one in use, and those that it follows: a rotation has two. */
const KEYS_MAX = 5;

export interface KeySource {
  readonly plugin: string;
  /** PLUGIN_PRIVATE_KEY. */
  readonly given: string | undefined;
  readonly directory: string;
  readonly production: boolean;
}

/**
 * The keys from the environment; or, in development, one that is made once and kept in a file only its owner can read.
 * @throws SettingsError when a key is not usable, or none is given in production.
 */
export async function loadPrivateKeys({ plugin, given, directory, production }: KeySource): Promise<PluginKeys> {
  if (given !== undefined) return await imported(plugin, given);
  if (production) {
    throw new SettingsError(plugin, [
      "PLUGIN_PRIVATE_KEY is required: the plugin's settings have secrets (a P-256 JWK)",
    ]);
  }
  return await imported(plugin, await keptKey(join(directory, `${plugin}.json`), directory));
}

const privateJwkSchema = z.object({
  kty: z.literal("EC"),
  crv: z.literal("P-256"),
  x: z.string(),
  y: z.string(),
  d: z.string(),
});
/** One JWK, or a JWK Set with the newest first. */
const givenSchema = z.union([
  privateJwkSchema.transform((key) => [key]),
  z.object({ keys: z.array(privateJwkSchema).min(1).max(KEYS_MAX) }).transform(({ keys }) => keys),
]);

async function imported(plugin: string, text: string): Promise<PluginKeys> {
  try {
    const [first, ...others] = await Promise.all(givenSchema.parse(JSON.parse(text)).map(importOne));
    if (first === undefined) throw new Error("no key");
    return [first, ...others];
  } catch {
    // The parser's own message could quote the key.
    throw new SettingsError(plugin, [
      `PLUGIN_PRIVATE_KEY must be a private P-256 key as JWK, or a JWK Set of at most ${KEYS_MAX}, the newest first`,
    ]);
  }
}

async function importOne(jwk: z.output<typeof privateJwkSchema>): Promise<PluginKey> {
  const privateKey = (await importJWK({ ...jwk, alg: ALGORITHM }, ALGORITHM)) as CryptoKey;
  const { kty, crv, x, y } = jwk;
  const kid = await calculateJwkThumbprint({ kty, crv, x, y });
  return { kid, publicJwk: { kty, crv, x, y, alg: ALGORITHM, use: "enc", kid }, privateKey };
}

/** Reads the kept key, or makes one. The file appears whole or not at all; of two processes that race, one wins. */
async function keptKey(path: string, directory: string): Promise<string> {
  const known = await readIfThere(path);
  if (known !== null) return known;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { privateKey } = await generateKeyPair(ALGORITHM, { crv: "P-256", extractable: true });
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  await writeFile(draft, JSON.stringify(await exportJWK(privateKey)), { mode: 0o600, flag: "wx" });
  try {
    await chmod(draft, 0o600);
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return await readFile(path, "utf8");
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
