import { runPlugin } from "@plugboard/plugin-sdk";
import { sms } from "../../src/plugin.ts";

/** The plugin as it is, but what a killed process held is free again after seconds: for crash tests. */
await runPlugin({ ...sms, handlerDeadlineMs: 2_000 });
