import { createLogger, env, loadSettings, setting } from "@plugboard/runtime";
import { startGoogleSheetsEmulator } from "./google-sheets-emulator.ts";
import { startTwilioEmulator } from "./twilio-emulator.ts";

/** Both vendors as one process, for the demo: a real deployment never starts this. */
const settings = loadSettings(
  "emulators",
  {
    GOOGLE_EMULATOR_PORT: setting(env.port().default(4_401), "Port of the Google Sheets emulator."),
    GOOGLE_EMULATOR_QUOTA: setting(env.integer(1, 1_000_000).default(60), "Requests a minute, reads and writes each."),
    TWILIO_EMULATOR_PORT: setting(env.port().default(4_402), "Port of the Twilio emulator."),
    TWILIO_EMULATOR_QUOTA: setting(env.integer(1, 1_000_000).default(100), "Requests a second."),
    LOG_LEVEL: setting(env.text().default("info"), "Log level."),
  },
  process.env,
);
const logger = createLogger("emulators", settings.LOG_LEVEL);
const google = await startGoogleSheetsEmulator({
  port: settings.GOOGLE_EMULATOR_PORT,
  quotaPerMinute: settings.GOOGLE_EMULATOR_QUOTA,
});
const twilio = await startTwilioEmulator({
  port: settings.TWILIO_EMULATOR_PORT,
  quotaPerSecond: settings.TWILIO_EMULATOR_QUOTA,
});
logger.info({ google: google.url, twilio: twilio.url }, "emulators ready");
const leave = async () => {
  await Promise.all([google.stop(), twilio.stop()]);
  process.exit(0);
};
process.once("SIGTERM", leave);
process.once("SIGINT", leave);
