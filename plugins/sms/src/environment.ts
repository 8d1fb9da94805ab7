import { z } from "zod";

const schema = z.object({
  /** Where Twilio's API is; its own host unless set. */
  SMS_TWILIO_BASE_URL: z
    .url({ protocol: /^https?$/, error: "must be a URL that starts with http:// or https://" })
    .optional(),
});

/**
 * The plugin's own environment variables.
 * @throws with the variable and what is wrong with it.
 */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): {
  readonly twilioBaseUrl: string | undefined;
} {
  const result = schema.safeParse(environment);
  if (result.success) return { twilioBaseUrl: result.data.SMS_TWILIO_BASE_URL };
  throw new Error(result.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`).join("\n"));
}
