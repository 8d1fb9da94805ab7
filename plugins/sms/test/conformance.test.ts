import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "@jest/globals";
import { conformance, forwardTo } from "@plugboard/plugin-sdk/conformance";
import { startTwilioEmulator, type TwilioEmulator } from "@plugboard/testkit";

let twilio: TwilioEmulator;
beforeAll(async () => {
  twilio = await startTwilioEmulator();
});
afterAll(() => twilio.stop());

const rule = { id: "thanks", to: "phone", template: "{{ response.id }}", defaultCountry: "KE" };
const refusal = (code: number, status: number) =>
  JSON.stringify({ code, status, message: "no", more_info: "https://www.twilio.com/docs/errors" });

describe("the SMS plugin conforms to the protocol", () => {
  conformance(
    { test, beforeAll, afterAll },
    {
      id: "sms",
      process: {
        command: process.execPath,
        args: ["--conditions=source", join(import.meta.dirname, "..", "src", "main.ts")],
        environment: (given, vendorUrl) => ({ ...given, SMS_TWILIO_BASE_URL: vendorUrl }),
      },
      // Its own claims see to it, although it declares `redeliver: "safe"`: one delivery may have several texts.
      effect: "at-most-once",
      revisions: "latest",
      vendor: {
        done: (request) => forwardTo(twilio.url, request),
        notNow: { status: 429, headers: { "retry-after": "0" }, body: refusal(20429, 429) },
        refused: { status: 400, body: refusal(21610, 400) },
      },
      settings: () => {
        const { accountSid, authToken, from } = twilio;
        return {
          valid: { accountSid, authToken, from, rules: [rule] },
          refused: { accountSid, authToken, from, rules: [{ ...rule, template: "{% if %" }] },
        };
      },
      event: () => ({ data: { answers: { phone: "0712345678" } } }),
    },
  );
});
