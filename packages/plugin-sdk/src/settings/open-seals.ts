import { type ProblemItem, SEALED_FIELD } from "@plugboard/contract";
import { CompactEncrypt, compactDecrypt, decodeProtectedHeader, importJWK } from "jose";
import type { PluginKeys } from "./private-key.ts";

/** Settings with every seal opened, or which seals could not be. */
export type Opened =
  | { readonly kind: "opened"; readonly settings: Record<string, unknown> }
  | { readonly kind: "unopened"; readonly problems: readonly ProblemItem[] };

const ENCRYPTION = "A256GCM";
/** Settings are as deep as people write them; a document deeper than this is nobody's. */
const DEPTH_MAX = 32;

/** Replaces each `{"$sealed":"<JWE>"}` by what is inside. The result lives in memory only. */
export async function openSeals(sealed: Record<string, unknown>, keys: PluginKeys | null): Promise<Opened> {
  const problems: ProblemItem[] = [];
  const settings = (await open(sealed, "", 0, keys, problems)) as Record<string, unknown>;
  return problems.length === 0 ? { kind: "opened", settings } : { kind: "unopened", problems };
}

async function open(
  value: unknown,
  path: string,
  depth: number,
  keys: PluginKeys | null,
  problems: ProblemItem[],
): Promise<unknown> {
  if (typeof value !== "object" || value === null) return value;
  if (depth > DEPTH_MAX) {
    problems.push({ path, message: `is nested deeper than ${DEPTH_MAX} levels` });
    return null;
  }
  const inside = (name: string | number, item: unknown) =>
    open(item, `${path}/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`, depth + 1, keys, problems);
  if (Array.isArray(value)) return await Promise.all(value.map((item, index) => inside(index, item)));
  const seal = sealOf(value as Record<string, unknown>);
  if (seal !== null) return await openOne(seal, path, keys, problems);
  const entries = await Promise.all(
    Object.entries(value).map(async ([name, item]) => [name, await inside(name, item)] as const),
  );
  return Object.fromEntries(entries);
}

function sealOf(value: Record<string, unknown>): string | null {
  const seal = value[SEALED_FIELD];
  return typeof seal === "string" && Object.keys(value).length === 1 ? seal : null;
}

async function openOne(seal: string, path: string, keys: PluginKeys | null, problems: ProblemItem[]): Promise<unknown> {
  try {
    return JSON.parse(Buffer.from(await plaintextOf(seal, keys)).toString("utf8"));
  } catch {
    problems.push({ path, message: "is sealed to a key this plugin does not have: send the secret again" });
    return null;
  }
}

/** What is inside a seal. Seals that name no key are tried with each. @throws Error when none of the keys opens it. */
async function plaintextOf(seal: string, keys: PluginKeys | null): Promise<Uint8Array> {
  const { kid } = decodeProtectedHeader(seal);
  const fitting = (keys ?? []).filter((key) => kid === undefined || kid === key.kid);
  for (const { privateKey } of fitting) {
    try {
      const { plaintext } = await compactDecrypt(seal, privateKey, {
        keyManagementAlgorithms: ["ECDH-ES"],
        contentEncryptionAlgorithms: [ENCRYPTION],
      });
      return plaintext;
    } catch {
      // Another key's.
    }
  }
  throw new Error("sealed to a key this plugin does not have");
}

/** The seal, sealed to the first key; null when none of the keys opens it. What is inside is never looked at. */
export async function resealed(seal: string, keys: PluginKeys): Promise<string | null> {
  const [{ kid, publicJwk }] = keys;
  try {
    if (decodeProtectedHeader(seal).kid === kid) return seal;
    const plaintext = await plaintextOf(seal, keys);
    return await new CompactEncrypt(plaintext)
      .setProtectedHeader({ alg: "ECDH-ES", enc: ENCRYPTION, kid })
      .encrypt(await importJWK(publicJwk, "ECDH-ES"));
  } catch {
    return null;
  }
}

/** Settings with every seal sealed to the first key, as far as the keys open them. */
export async function resealedSettings(value: unknown, keys: PluginKeys): Promise<unknown> {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return await Promise.all(value.map((item) => resealedSettings(item, keys)));
  const seal = sealOf(value as Record<string, unknown>);
  if (seal !== null) return { [SEALED_FIELD]: (await resealed(seal, keys)) ?? seal };
  const entries = Object.entries(value).map(
    async ([name, item]) => [name, await resealedSettings(item, keys)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** Whether anything in the settings is sealed to another key than this one. */
export function isSealedElsewhere(value: unknown, kid: string): boolean {
  if (typeof value !== "object" || value === null) return false;
  const seal = Array.isArray(value) ? null : sealOf(value as Record<string, unknown>);
  if (seal !== null) return keyOf(seal) !== kid;
  return Object.values(value).some((item) => isSealedElsewhere(item, kid));
}

function keyOf(seal: string): string | undefined {
  try {
    return decodeProtectedHeader(seal).kid;
  } catch {
    return undefined;
  }
}
