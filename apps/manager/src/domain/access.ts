/** Who is calling, as the credential says. */
export type Principal =
  | { readonly role: "admin" }
  | { readonly role: "plugin" | "team" | "core" | "router"; readonly subject: string };

export type Role = Principal["role"];

/**
 * Who may use a route. `admin` may use every one. For `plugin` and `team`, the credential's subject must be the id in
 * the path, where the path has one.
 */
export function mayUse(
  principal: Principal,
  roles: readonly Role[],
  path: { readonly plugin?: string | undefined; readonly team?: string | undefined },
): boolean {
  if (principal.role === "admin") return true;
  if (!roles.includes(principal.role)) return false;
  if (principal.role === "plugin") return path.plugin === undefined || path.plugin === principal.subject;
  if (principal.role === "team") return path.team === undefined || path.team === principal.subject;
  return true;
}

/** Makes and reads credentials. */
export interface Tokens {
  /** @returns null when the credential is not valid. */
  principal(token: string): Promise<Principal | null>;
  mint(
    role: Exclude<Role, "admin">,
    subject: string,
    expiresInSeconds: number,
  ): Promise<{ token: string; expiresAt: Date }>;
}
