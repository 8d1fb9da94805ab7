import { runPlugin } from "@plugboard/plugin-sdk";
import { readEnvironment } from "../../src/environment.ts";
import { createGoogleSheetsPlugin } from "../../src/plugin.ts";

/** The plugin as it is, but what a killed process held is free again after seconds: for crash tests. */
await runPlugin({ ...createGoogleSheetsPlugin(readEnvironment(process.env)), handlerDeadlineMs: 2_000 });
