import { runPlugin } from "@plugboard/plugin-sdk";
import { sms } from "./plugin.ts";

await runPlugin(sms);
