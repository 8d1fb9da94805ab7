import { secret } from "@plugboard/plugin-sdk";
import { z } from "zod";

/** What a team sets. The JSON Schema made of it is shown to teams, and the manager checks against it. */
export const settingsSchema = z.object({
  url: z.url({ protocol: /^https?$/ }).describe("Where each response is posted."),
  // A secret is sealed at the manager's edge: nobody but this process reads it, and it never comes back out.
  token: secret(z.string().min(1).max(500)).describe("Sent as bearer token."),
});

export type Settings = z.output<typeof settingsSchema>;
