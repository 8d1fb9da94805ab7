import { type ProblemItem, SEALED_FIELD } from "@plugboard/contract";
import { compactDecrypt } from "jose";
import type { PluginKey } from "./private-key.ts";

/** Settings with every seal opened, or which seals could not be. */
export type Opened =
  | { readonly kind: "opened"; readonly settings: Record<string, unknown> }
  | { readonly kind: "unopened"; readonly problems: readonly ProblemItem[] };

/** Settings are as deep as people write them; a document deeper than this is nobody's. */
const DEPTH_MAX = 32;

/** Replaces each `{"$sealed":"<JWE>"}` by what is inside. The result lives in memory only. */
export async function openSeals(sealed: Record<string, unknown>, key: PluginKey | null): Promise<Opened> {
  const problems: ProblemItem[] = [];
  const settings = (await open(sealed, "", 0, key, problems)) as Record<string, unknown>;
  return problems.length === 0 ? { kind: "opened", settings } : { kind: "unopened", problems };
}

async function open(
  value: unknown,
  path: string,
  depth: number,
  key: PluginKey | null,
  problems: ProblemItem[],
): Promise<unknown> {
  if (typeof value !== "object" || value === null) return value;
  if (depth > DEPTH_MAX) {
    problems.push({ path, message: `is nested deeper than ${DEPTH_MAX} levels` });
    return null;
  }
  const inside = (name: string | number, item: unknown) =>
    open(item, `${path}/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`, depth + 1, key, problems);
  if (Array.isArray(value)) return await Promise.all(value.map((item, index) => inside(index, item)));
  const seal = sealOf(value as Record<string, unknown>);
  if (seal !== null) return await openOne(seal, path, key, problems);
  const entries = await Promise.all(
    Object.entries(value).map(async ([name, item]) => [name, await inside(name, item)] as const),
  );
  return Object.fromEntries(entries);
}

function sealOf(value: Record<string, unknown>): string | null {
  const seal = value[SEALED_FIELD];
  return typeof seal === "string" && Object.keys(value).length === 1 ? seal : null;
}

async function openOne(seal: string, path: string, key: PluginKey | null, problems: ProblemItem[]): Promise<unknown> {
  try {
    if (key === null) throw new Error("this plugin has no key");
    const { plaintext } = await compactDecrypt(seal, key.privateKey, {
      keyManagementAlgorithms: ["ECDH-ES"],
      contentEncryptionAlgorithms: ["A256GCM"],
    });
    return JSON.parse(Buffer.from(plaintext).toString("utf8"));
  } catch {
    problems.push({ path, message: "is sealed to a key this plugin does not have: send the secret again" });
    return null;
  }
}
