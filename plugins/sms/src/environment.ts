import { env, setting } from "@plugboard/plugin-sdk";

/** The plugin's own environment variables. */
export const smsEnvironment = {
  SMS_TWILIO_BASE_URL: setting(
    env.url("http", "https").optional(),
    "Where Twilio's API is; Twilio's own host when unset.",
  ),
};
