import { randomBytes } from "node:crypto";
import { chmod, chown, link, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, systemClock } from "@plugboard/runtime";
import { exportJWK, generateKeyPair } from "jose";
import { JoseTokens } from "./jose-tokens.ts";

/** What became of one file. */
export interface SecretFile {
  readonly name: string;
  readonly state: "made" | "kept";
  /** Why a kept file does not go with the others; null when it does. */
  readonly problem: string | null;
}

/** 256 bits, in letters that need no escape in a URL, a header or a shell. */
const SECRET_BYTES = 32;
/** As long as the passwords beside them, which do not expire either: a token that ends by itself ends the service with it. */
const TOKEN_SECONDS = 10 * 31_536_000;
/** The directory keeps others of the machine out, so each file may be read by whatever user a container runs as. */
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o444;

/**
 * Makes the secrets of an installation, one file each: docker-compose.yml says who gets which. What is there is kept,
 * so that it can be called again for one more plugin, or after a file was deleted to have it replaced.
 * @param plugins ids of the plugins that get a token and a private key.
 */
export async function makeSecrets(
  directory: string,
  plugins: readonly string[],
  clock: Clock = systemClock,
): Promise<SecretFile[]> {
  const files = new SecretDirectory(directory);
  await files.open();
  const random = async () => randomBytes(SECRET_BYTES).toString("base64url");
  const adminToken = await files.value("admin-token", random);
  const signingKey = await files.value("signing-key", random);
  const tokens = new JoseTokens({ adminToken, signingKey, clock });
  const password = await files.value("postgres-password", random);
  const url = `postgres://plugboard:${password}@postgres:5432/plugboard`;
  const kept = await files.value("database-url", async () => url);
  if (!kept.includes(`:${password}@`)) files.complain("database-url", "has another password than postgres-password");
  await files.value("grafana-password", random);
  const token = async (role: "router" | "core" | "plugin", subject: string, name: string) => {
    const value = await files.value(name, async () => (await tokens.mint(role, subject, TOKEN_SECONDS)).token);
    const principal = await tokens.principal(value);
    if (principal === null || principal.role !== role || principal.subject !== subject)
      files.complain(name, `is no valid token of ${role} ${subject} under signing-key; delete it to have it replaced`);
  };
  await token("router", "router", "router-token");
  await token("core", "core", "core-token");
  for (const plugin of plugins) {
    await token("plugin", plugin, `${plugin}-token`);
    await files.value(`${plugin}-key`, privateKey);
  }
  return files.files();
}

/** What a plugin opens its teams' secrets with: P-256, as the SDK wants it. */
async function privateKey(): Promise<string> {
  const pair = await generateKeyPair("ECDH-ES", { crv: "P-256", extractable: true });
  return JSON.stringify(await exportJWK(pair.privateKey));
}

class SecretDirectory {
  readonly #path: string;
  readonly #files = new Map<string, SecretFile>();
  #owner: { readonly uid: number; readonly gid: number } | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /** In a container this runs as root: files are given to whom the directory is of, who can remove them then. */
  async open(): Promise<void> {
    await mkdir(this.#path, { recursive: true });
    const { uid, gid } = await stat(this.#path);
    if (process.getuid?.() === 0) this.#owner = { uid, gid };
    await chmod(this.#path, DIRECTORY_MODE);
  }

  /** The content of a file; the file is made first if it is not there. */
  async value(name: string, make: () => Promise<string>): Promise<string> {
    const path = join(this.#path, name);
    const state = (await isThere(path)) || !(await this.#write(path, await make())) ? "kept" : "made";
    this.#files.set(name, { name, state, problem: null });
    return (await readFile(path, "utf8")).trimEnd();
  }

  complain(name: string, problem: string): void {
    this.#files.set(name, { name, state: "kept", problem });
  }

  files(): SecretFile[] {
    return [...this.#files.values()];
  }

  /** The file appears whole or not at all. False when another process has made it meanwhile. */
  async #write(path: string, content: string): Promise<boolean> {
    const draft = `${path}.${randomBytes(6).toString("hex")}`;
    try {
      await writeFile(draft, `${content}\n`, { mode: 0o600, flag: "wx" });
      await chmod(draft, FILE_MODE);
      if (this.#owner !== null) await chown(draft, this.#owner.uid, this.#owner.gid);
      await link(draft, path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    } finally {
      await rm(draft, { force: true });
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return false;
      throw error;
    },
  );
}
