import { ownSettings, runPlugin } from "@plugboard/plugin-sdk";
import { smsEnvironment } from "./environment.ts";
import { createSmsPlugin } from "./plugin.ts";

const own = ownSettings("sms", smsEnvironment, process.env);
await runPlugin(createSmsPlugin({ twilioBaseUrl: own.SMS_TWILIO_BASE_URL }));
