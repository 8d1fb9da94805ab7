import { runPlugin } from "@plugboard/plugin-sdk";
import { readEnvironment } from "./environment.ts";
import { createSmsPlugin } from "./plugin.ts";

await runPlugin(createSmsPlugin(readEnvironment(process.env)));
