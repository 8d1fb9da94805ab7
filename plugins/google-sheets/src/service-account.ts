import { createPrivateKey } from "node:crypto";
import { z } from "zod";

const keyFileSchema = z.object({
  type: z.literal("service_account", { error: 'must have "type": "service_account"' }),
  client_email: z.email({ error: "has no client_email" }),
  private_key: z.string({ error: "has no private_key" }),
});

/** What of a key file is used. Its addresses are not: a key file cannot point this plugin at another host. */
export interface ServiceAccount {
  readonly email: string;
  readonly privateKey: string;
}

/** Reads a service account's key file. @returns the account, or what is wrong; never parts of the key. */
export function readServiceAccount(
  text: string,
): { readonly ok: true; readonly account: ServiceAccount } | { readonly ok: false; readonly problem: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { ok: false, problem: "is not JSON: paste the whole key file of the service account" };
  }
  const parsed = keyFileSchema.safeParse(json);
  if (!parsed.success) {
    return { ok: false, problem: `the key file ${parsed.error.issues.map(({ message }) => message).join(", ")}` };
  }
  try {
    createPrivateKey(parsed.data.private_key);
  } catch {
    return { ok: false, problem: "the key file's private_key is not a PEM key" };
  }
  return { ok: true, account: { email: parsed.data.client_email, privateKey: parsed.data.private_key } };
}
