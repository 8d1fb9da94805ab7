import { ownSettings, runPlugin } from "@plugboard/plugin-sdk";
import { googleSheetsEnvironment } from "./environment.ts";
import { createGoogleSheetsPlugin } from "./plugin.ts";

const own = ownSettings("google-sheets", googleSheetsEnvironment, process.env);
await runPlugin(createGoogleSheetsPlugin({ googleBaseUrl: own.GOOGLE_SHEETS_GOOGLE_BASE_URL }));
