import { runPlugin } from "@plugboard/plugin-sdk";
import { plugin } from "./plugin.ts";

await runPlugin(plugin);
