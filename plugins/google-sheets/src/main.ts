import { runPlugin } from "@plugboard/plugin-sdk";
import { readEnvironment } from "./environment.ts";
import { createGoogleSheetsPlugin } from "./plugin.ts";

await runPlugin(createGoogleSheetsPlugin(readEnvironment(process.env)));
