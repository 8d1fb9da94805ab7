import { z } from "zod";

const schema = z.object({
  /** Where all of Google is, its token endpoint included; Google's own hosts unless set. */
  GOOGLE_SHEETS_GOOGLE_BASE_URL: z
    .url({ protocol: /^https?$/, error: "must be a URL that starts with http:// or https://" })
    .optional(),
});

/**
 * The plugin's own environment variables.
 * @throws with the variable and what is wrong with it.
 */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): {
  readonly googleBaseUrl: string | undefined;
} {
  const result = schema.safeParse(environment);
  if (result.success) return { googleBaseUrl: result.data.GOOGLE_SHEETS_GOOGLE_BASE_URL };
  throw new Error(result.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`).join("\n"));
}
