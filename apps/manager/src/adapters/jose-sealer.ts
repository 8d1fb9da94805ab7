import { CompactEncrypt, importJWK, type JWK } from "jose";
import type { Sealer } from "../domain/ports.ts";
import type { JsonObject } from "../domain/records.ts";

const ENCRYPTION = "A256GCM";
const ALGORITHMS = ["ECDH-ES", "RSA-OAEP-256"];
/** Members of a JWK that only a private or symmetric key has. */
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/** Seals with compact JWE to a plugin's public key: only the plugin can open it, this process cannot. */
export class JoseSealer implements Sealer {
  async problem(publicKey: JsonObject): Promise<string | null> {
    if (PRIVATE_MEMBERS.some((member) => member in publicKey))
      return "is a private key: send the public part only, and make a new key, for this one has been sent over the network";
    const { alg, kty, crv } = publicKey as JWK;
    if (!ALGORITHMS.includes(alg ?? "")) return `must have "alg" ${ALGORITHMS.map((name) => `"${name}"`).join(" or ")}`;
    if (alg === "ECDH-ES" && (kty !== "EC" || crv !== "P-256")) return 'must be of "kty" "EC" and "crv" "P-256"';
    try {
      await this.seal(publicKey, null);
      return null;
    } catch (error) {
      return `is not a usable JWK: ${(error as Error).message}`;
    }
  }

  async seal(publicKey: JsonObject, value: unknown): Promise<string> {
    const { alg = "ECDH-ES", kid } = publicKey as JWK;
    const key = await importJWK(publicKey as JWK, alg);
    return await new CompactEncrypt(new TextEncoder().encode(JSON.stringify(value)))
      .setProtectedHeader({ alg, enc: ENCRYPTION, ...(kid === undefined ? {} : { kid }) })
      .encrypt(key);
  }
}
