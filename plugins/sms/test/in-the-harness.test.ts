import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type Harness, startHarness } from "@plugboard/plugin-sdk/testing";
import { startTwilioEmulator, type TwilioEmulator } from "@plugboard/testkit";
import { sms } from "../src/plugin.ts";
import type { settingsSchema } from "../src/settings.ts";

describe("the SMS plugin in the harness: the SDK's own way of deliveries, against an emulated Twilio", () => {
  let emulator: TwilioEmulator;
  let harness: Harness<typeof settingsSchema>;
  const settings = () => ({
    accountSid: emulator.accountSid,
    authToken: emulator.authToken,
    from: emulator.from,
    rules: [{ id: "thanks", to: "phone", template: "{{ response.id }}", defaultCountry: "KE" }],
  });
  const answers = (phone: string) => ({ data: { answers: { phone } } });
  const textsOf = (response: string) => emulator.messages.filter(({ body }) => body === response).length;

  beforeAll(async () => {
    emulator = await startTwilioEmulator();
  });
  afterAll(() => emulator.stop());
  beforeEach(async () => {
    emulator.faults.clear();
    harness = await startHarness(sms, {
      settings: settings(),
      environment: { SMS_TWILIO_BASE_URL: emulator.url },
    });
  });
  afterEach(() => harness.close());

  test("a text is sent once, however often the delivery comes", async () => {
    const event = { id: "e-1", response: "once", ...answers("0712345678") };
    expect(await harness.deliver(event)).toMatchObject({ outcome: "delivered", attempt: 1 });
    expect(await harness.deliver(event)).toMatchObject({ outcome: "duplicate", attempt: 0 });
    expect(textsOf("once")).toBe(1);
  });

  test("when Twilio takes no more, the text is sent once Twilio's time is over, and not before", async () => {
    emulator.faults.next(1, { status: 429, retryAfterS: 90 });
    const retried = await harness.deliver({ response: "later", ...answers("0712345678") });
    expect(retried).toMatchObject({ outcome: "retry", dueInMs: 90_000 });
    expect(await harness.advance(30_000)).toEqual([]);
    expect(textsOf("later")).toBe(0);
    expect(await harness.advance(60_000)).toMatchObject([{ outcome: "delivered", attempt: 2 }]);
    expect(textsOf("later")).toBe(1);
  });

  test("a number that is none is the team's: a dead letter with the reason", async () => {
    const { deliveryId, outcome } = await harness.deliver(answers("12"));
    expect(outcome).toBe("rejected");
    expect(harness.deadLetters).toMatchObject([{ deliveryId, reason: "rejected", attempts: 1 }]);
    expect(harness.deadLetters[0]?.detail).toContain("not a valid phone number");
  });

  test("an answer of Twilio's that is lost leaves it unknown, for good", async () => {
    emulator.faults.next(1, { loseAnswer: true });
    expect(await harness.deliver({ response: "lost", ...answers("0712345678") })).toMatchObject({ outcome: "unknown" });
    expect(await harness.advance(86_400_000)).toEqual([]);
    expect(textsOf("lost")).toBe(1);
  });

  test("settings whose template cannot be read are refused, and deliveries wait for better ones", async () => {
    const wrong = { ...settings(), rules: [{ id: "thanks", to: "phone", template: "{% if %" }] };
    expect(await harness.configure(wrong)).toMatchObject({
      status: "refused",
      reasons: [{ path: "/rules/0/template" }],
    });
    const waiting = await harness.deliver({ response: "waits", ...answers("0712345678") });
    expect(waiting).toMatchObject({ outcome: "waiting", reason: "settings" });
    await harness.configure(settings());
    expect(await harness.advance(0)).toMatchObject([{ outcome: "delivered" }]);
    expect(textsOf("waits")).toBe(1);
  });
});
