import { generateKeyPairSync } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { startTwilioEmulator, type TwilioEmulator } from "@plugboard/testkit";
import { openStage, type PluginStage } from "../../../packages/plugin-sdk/test/support/plugin-stage.ts";
import { sms } from "../src/plugin.ts";

let settingsVersion = 0;
const PRIVATE_KEY = JSON.stringify(
  generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }),
);

let emulator: TwilioEmulator;
let stage: PluginStage;
beforeAll(async () => {
  emulator = await startTwilioEmulator();
});
afterAll(() => emulator.stop());
beforeEach(async () => {
  emulator.faults.clear();
  stage = await openStage("sms");
  stage.manager.enable("team-1");
});
afterEach(() => stage.close());

const settings = () => ({
  accountSid: emulator.accountSid,
  authToken: emulator.authToken,
  from: emulator.from,
  rules: [{ id: "thanks", to: "phone", template: "{{ response.id }}", defaultCountry: "KE" }],
});
const initialize = (url: string, given: object) => {
  settingsVersion += 1;
  return stage.manager.call(url, "/initialize", { team: "team-1", version: settingsVersion, settings: given });
};
const route = (response: string, phone: string) =>
  stage.route({ team: "team-1", response, revision: 1, data: { answers: { phone } } });
const sent = (response: string) => emulator.messages.filter(({ body }) => body === response);

describe("the SMS plugin in its process, on real Kafka and Postgres", () => {
  test("refuses wrong settings, sends for the right ones, and tells each delivery's outcome", async () => {
    const plugin = await stage.start(sms, {
      SMS_TWILIO_BASE_URL: emulator.url,
      PLUGIN_PRIVATE_KEY: PRIVATE_KEY,
    });
    const wrong = { ...settings(), rules: [{ id: "thanks", to: "phone", template: "{% if %" }] };
    expect((await initialize(plugin.url, wrong)).body).toMatchObject({
      status: "refused",
      reasons: [{ path: "/rules/0/template" }],
    });
    expect((await initialize(plugin.url, settings())).body).toMatchObject({ status: "applied" });
    emulator.faults.next(1, { status: 429, retryAfterS: 0 });
    const ok = await route("sdk-ok", "0712345678");
    expect(await stage.settled(ok)).toBe("delivered");
    const bad = await route("sdk-bad", "12");
    expect(await stage.settled(bad)).toBe("rejected");
    emulator.faults.next(1, { loseAnswer: true });
    const lost = await route("sdk-lost", "0712345678");
    expect(await stage.settled(lost)).toBe("unknown");
    expect(["sdk-ok", "sdk-bad", "sdk-lost"].map((response) => sent(response).length)).toEqual([1, 0, 1]);
    await stage.committed();
  });
});
