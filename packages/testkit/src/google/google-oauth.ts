import { generateKeyPairSync, randomBytes } from "node:crypto";
import type { RequestHandler } from "express";
import { errors, importSPKI, jwtVerify } from "jose";

/** A service account's key file, as Google's console hands it out. */
export interface ServiceAccountKey {
  readonly type: "service_account";
  readonly project_id: string;
  readonly private_key_id: string;
  readonly private_key: string;
  readonly client_email: string;
  readonly client_id: string;
  readonly token_uri: string;
}

const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/** The audience Google's own client writes, wherever it is pointed. */
const GOOGLE_TOKEN_URL = "https://oauth2.googleapis.com/token";
const TOKEN_LIFETIME_S = 3_600;

class GrantError extends Error {
  readonly code: string;
  constructor(code: string, description: string) {
    super(description);
    this.code = code;
  }
}

/** Service accounts and their access tokens: the part of Google's OAuth 2.0 that a server-to-server client uses. */
export class GoogleOAuth {
  readonly #publicKeys = new Map<string, string>();
  readonly #tokens = new Map<string, { readonly email: string; readonly expiresAt: number }>();
  /** Access tokens handed out so far. */
  tokensIssued = 0;

  /** Makes an account with a key pair of its own. */
  createServiceAccount(name: string, tokenUri: string): ServiceAccountKey {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
      publicKeyEncoding: { type: "spki", format: "pem" },
    });
    const email = `${name}@plugboard-emulator.iam.gserviceaccount.com`;
    this.#publicKeys.set(email, publicKey);
    return {
      type: "service_account",
      project_id: "plugboard-emulator",
      private_key_id: randomBytes(20).toString("hex"),
      private_key: privateKey,
      client_email: email,
      client_id: "100000000000000000001",
      token_uri: tokenUri,
    };
  }

  /** As if the key had been deleted in the console: no new tokens, and those handed out stop working. */
  revoke(email: string): void {
    this.#publicKeys.delete(email);
    for (const [token, { email: owner }] of this.#tokens) if (owner === email) this.#tokens.delete(token);
  }

  /** The account behind an Authorization header, or undefined. */
  authenticate(header: string | undefined): string | undefined {
    const token = /^Bearer (.+)$/.exec(header ?? "")?.[1];
    const grant = token === undefined ? undefined : this.#tokens.get(token);
    return grant === undefined || grant.expiresAt <= Date.now() ? undefined : grant.email;
  }

  /** `POST /token`. */
  tokenEndpoint(ownTokenUrl: () => string): RequestHandler {
    return async (request, response) => {
      try {
        const email = await this.#verify(request.body as Record<string, unknown>, [GOOGLE_TOKEN_URL, ownTokenUrl()]);
        const token = `ya29.${randomBytes(32).toString("base64url")}`;
        this.#tokens.set(token, { email, expiresAt: Date.now() + TOKEN_LIFETIME_S * 1000 });
        this.tokensIssued += 1;
        response.json({ access_token: token, expires_in: TOKEN_LIFETIME_S - 1, token_type: "Bearer" });
      } catch (error) {
        if (!(error instanceof GrantError)) throw error;
        response.status(400).json({ error: error.code, error_description: error.message });
      }
    };
  }

  async #verify(body: Record<string, unknown>, audiences: string[]): Promise<string> {
    if (body.grant_type !== GRANT_TYPE) {
      throw new GrantError("unsupported_grant_type", `Invalid grant_type: ${String(body.grant_type)}`);
    }
    const assertion = String(body.assertion ?? "");
    const claims = unverifiedClaims(assertion);
    const issuer = String(claims.iss);
    const publicKey = this.#publicKeys.get(issuer);
    if (publicKey === undefined) throw new GrantError("invalid_grant", "Invalid grant: account not found");
    try {
      const { payload } = await jwtVerify(assertion, await importSPKI(publicKey, "RS256"), {
        algorithms: ["RS256"],
        audience: audiences,
        requiredClaims: ["iat", "exp"],
        clockTolerance: 300,
      });
      if ((payload.exp ?? 0) - (payload.iat ?? 0) > TOKEN_LIFETIME_S) throw shortLived();
      if (typeof payload.scope !== "string" || payload.scope === "") {
        throw new GrantError("invalid_scope", "Invalid OAuth scope or ID token audience provided.");
      }
    } catch (error) {
      throw grantErrorOf(error);
    }
    return issuer;
  }
}

function unverifiedClaims(assertion: string): Record<string, unknown> {
  try {
    return JSON.parse(Buffer.from(assertion.split(".")[1] ?? "", "base64url").toString());
  } catch {
    throw new GrantError("invalid_grant", "Bad Request");
  }
}

function grantErrorOf(error: unknown): unknown {
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return new GrantError("invalid_grant", "Invalid JWT Signature.");
  }
  if (error instanceof errors.JWTExpired) return shortLived();
  if (error instanceof errors.JOSEError) return new GrantError("invalid_grant", `Invalid JWT: ${error.message}`);
  return error;
}

function shortLived(): GrantError {
  return new GrantError(
    "invalid_grant",
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.",
  );
}
