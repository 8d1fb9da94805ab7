import { generateKeyPairSync } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { startProcess, waitUntil } from "@plugboard/stack";
import { startTwilioEmulator, type TwilioEmulator } from "@plugboard/testkit";
import { openStage, type PluginStage } from "../../../packages/plugin-sdk/test/support/plugin-stage.ts";
import { sms } from "../src/plugin.ts";

const WAIT_MS = 40_000;
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

  test("killed between sending and its record, it leaves a text that is unknown and not sent twice", async () => {
    const start = () =>
      startProcess({
        entry: "plugins/sms/test/support/short-lease-main.ts",
        name: "sms",
        env: stage.environment({
          SMS_TWILIO_BASE_URL: emulator.url,
          PLUGIN_PRIVATE_KEY: PRIVATE_KEY,
          LOG_LEVEL: "info",
        }),
      });
    const setUp = await stage.start(sms, {
      SMS_TWILIO_BASE_URL: emulator.url,
      PLUGIN_PRIVATE_KEY: PRIVATE_KEY,
    });
    expect((await initialize(setUp.url, settings())).body).toMatchObject({ status: "applied" });
    await setUp.stop();
    // Twilio accepts at once, but its answer comes so late that the kill is before it.
    emulator.faults.next(1, { answerLatencyMs: 60_000 });
    const id = await route("sdk-killed", "0712345678");
    const first = await start();
    await waitUntil("Twilio has the text", WAIT_MS, () => (sent("sdk-killed").length === 1 ? true : undefined));
    await first.kill("SIGKILL");
    const second = await start();
    try {
      expect(await stage.settled(id)).toBe("unknown");
      expect(sent("sdk-killed")).toHaveLength(1);
    } finally {
      await second.kill("SIGTERM");
    }
  });
});
