import { SEALED_FIELD } from "@plugboard/contract";
import { CompactEncrypt, importJWK, type JWK } from "jose";

type Json = Readonly<Record<string, unknown>>;

/**
 * A team's settings as the manager sends them: each value that the schema marks `writeOnly`, under `properties` or `items`, is sealed to
 * the plugin's public key.
 */
export async function sealedSettings(settings: Json, schema: Json, publicKey: Json | null): Promise<Json> {
  return (await seal(settings, schema, publicKey)) as Json;
}

async function seal(value: unknown, schema: unknown, publicKey: Json | null): Promise<unknown> {
  if (!isObject(schema)) return value;
  if (schema.writeOnly === true) return { [SEALED_FIELD]: await sealed(value, publicKey) };
  if (Array.isArray(value)) return await Promise.all(value.map((item) => seal(item, schema.items, publicKey)));
  if (!isObject(value)) return value;
  const properties = isObject(schema.properties) ? schema.properties : {};
  const entries = Object.entries(value).map(
    async ([name, item]) => [name, await seal(item, properties[name], publicKey)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** The secrets among settings that are texts. */
export function secretsIn(value: unknown, schema: unknown): string[] {
  if (!isObject(schema)) return [];
  if (schema.writeOnly === true) return typeof value === "string" ? [value] : [];
  if (Array.isArray(value)) return value.flatMap((item) => secretsIn(item, schema.items));
  const properties = isObject(schema.properties) ? schema.properties : {};
  return isObject(value) ? Object.entries(value).flatMap(([name, item]) => secretsIn(item, properties[name])) : [];
}

async function sealed(value: unknown, publicKey: Json | null): Promise<string> {
  const jwk = (publicKey ?? {}) as JWK;
  const { alg = "ECDH-ES", kid } = jwk;
  return await new CompactEncrypt(new TextEncoder().encode(JSON.stringify(value)))
    .setProtectedHeader({ alg, enc: "A256GCM", ...(kid !== undefined && { kid }) })
    .encrypt(await importJWK(jwk, alg));
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
