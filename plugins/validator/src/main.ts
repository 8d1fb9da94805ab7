import { runPlugin } from "@plugboard/plugin-sdk";
import { validator } from "./plugin.ts";

await runPlugin(validator);
