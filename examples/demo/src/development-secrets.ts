import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";

const secretsSchema = z.object({ adminToken: z.string().min(32), signingKey: z.string().min(32) });
/** What the manager is started with. */
export type DevelopmentSecrets = z.infer<typeof secretsSchema>;

/** Reads the development secrets, or makes them: readable by their owner only, kept so that tokens outlive a restart. */
export async function developmentSecrets(file: string): Promise<DevelopmentSecrets> {
  try {
    return secretsSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
      throw new Error(`${file} is not readable as development secrets; delete it to have new ones made`, {
        cause: error,
      });
    }
  }
  const made = { adminToken: randomBytes(32).toString("base64url"), signingKey: randomBytes(32).toString("base64url") };
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 });
  return made;
}
