import { ownSettings, runPlugin } from "@plugboard/plugin-sdk";
import { googleSheetsEnvironment } from "../../src/environment.ts";
import { createGoogleSheetsPlugin } from "../../src/plugin.ts";

/** The plugin as it is, but what a killed process held is free again after seconds: for crash tests. */
const own = ownSettings("google-sheets", googleSheetsEnvironment, process.env);
await runPlugin({
  ...createGoogleSheetsPlugin({ googleBaseUrl: own.GOOGLE_SHEETS_GOOGLE_BASE_URL }),
  handlerDeadlineMs: 2_000,
});
