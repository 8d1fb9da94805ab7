import { env, setting } from "@plugboard/plugin-sdk";

/** The plugin's own environment variables. */
export const googleSheetsEnvironment = {
  GOOGLE_SHEETS_GOOGLE_BASE_URL: setting(
    env.url("http", "https").optional(),
    "Where all of Google is, its token endpoint included; Google's own hosts when unset.",
  ),
};
