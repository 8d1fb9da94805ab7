import { randomBytes } from "node:crypto";
import { chmod, link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SettingsError } from "@plugboard/runtime";
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";

/** A plugin's key pair: the manager seals secrets to the public half, only the plugin opens them. */
export interface PluginKey {
  readonly publicJwk: JWK;
  readonly privateKey: CryptoKey;
}

const ALGORITHM = "ECDH-ES";

export interface KeySource {
  readonly plugin: string;
  /** PLUGIN_PRIVATE_KEY. */
  readonly given: string | undefined;
  readonly directory: string;
  readonly production: boolean;
}

/**
 * The key from the environment; or, in development, one that is made once and kept in a file only its owner can read.
 * @throws SettingsError when the key is not usable, or missing in production.
 */
export async function loadPrivateKey({ plugin, given, directory, production }: KeySource): Promise<PluginKey> {
  if (given !== undefined) return await imported(plugin, given);
  if (production) {
    throw new SettingsError(plugin, [
      "PLUGIN_PRIVATE_KEY is required: the plugin's settings have secrets (a P-256 JWK)",
    ]);
  }
  return await imported(plugin, await keptKey(join(directory, `${plugin}.json`), directory));
}

async function imported(plugin: string, text: string): Promise<PluginKey> {
  try {
    const jwk = JSON.parse(text) as JWK;
    if (jwk.kty !== "EC" || jwk.crv !== "P-256" || jwk.d === undefined) throw new Error("it is no private P-256 JWK");
    const privateKey = (await importJWK({ ...jwk, alg: ALGORITHM }, ALGORITHM)) as CryptoKey;
    const { kty, crv, x, y } = jwk;
    const publicPart = { kty, crv, x, y } as JWK;
    const kid = await calculateJwkThumbprint(publicPart);
    return { publicJwk: { ...publicPart, alg: ALGORITHM, use: "enc", kid }, privateKey };
  } catch {
    // The parser's own message could quote the key.
    throw new SettingsError(plugin, ["PLUGIN_PRIVATE_KEY must be a private P-256 key as JWK"]);
  }
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
