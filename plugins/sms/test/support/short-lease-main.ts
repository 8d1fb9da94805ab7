import { ownSettings, runPlugin } from "@plugboard/plugin-sdk";
import { smsEnvironment } from "../../src/environment.ts";
import { createSmsPlugin } from "../../src/plugin.ts";

/** The plugin as it is, but what a killed process held is free again after seconds: for crash tests. */
const own = ownSettings("sms", smsEnvironment, process.env);
await runPlugin({ ...createSmsPlugin({ twilioBaseUrl: own.SMS_TWILIO_BASE_URL }), handlerDeadlineMs: 2_000 });
