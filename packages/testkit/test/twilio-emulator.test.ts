import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import twilio, { RequestClient } from "twilio";
import { startTwilioEmulator, type TwilioEmulator } from "../src/index.ts";

/** Twilio's own client writes api.twilio.com into every request: this sends it to the emulator instead. */
class RedirectedClient extends RequestClient {
  readonly #base: string;
  constructor(base: string) {
    super();
    this.#base = base;
  }
  override request<T>(options: Parameters<RequestClient["request"]>[0]) {
    const { pathname, search } = new URL(options.uri);
    return super.request<T>({ ...options, uri: new URL(pathname + search, this.#base).href } as never);
  }
}

describe("the Twilio emulator, driven by Twilio's client", () => {
  let emulator: TwilioEmulator;
  const api = (token = emulator.authToken) =>
    twilio(emulator.accountSid, token, { httpClient: new RedirectedClient(emulator.url) });
  const send = (to: string, body = "hello", from = emulator.from) => api().messages.create({ to, from, body });
  beforeAll(async () => {
    emulator = await startTwilioEmulator();
  });
  afterAll(() => emulator.stop());
  beforeEach(() => {
    emulator.faults.clear();
    emulator.unsubscribed.clear();
    emulator.trialVerified = null;
    emulator.quota.limit = 100;
    emulator.quota.reset();
  });

  test("a message is queued, kept and found again by its sid", async () => {
    const created = await send("+14155552671", "habari");
    expect(created).toMatchObject({ status: "queued", to: "+14155552671", body: "habari", errorCode: null });
    expect(created.sid).toMatch(/^SM[0-9a-f]{32}$/);
    expect(await api().messages(created.sid).fetch()).toMatchObject({ sid: created.sid, status: "delivered" });
    expect(emulator.messages.at(-1)).toMatchObject({ sid: created.sid, body: "habari" });
  });

  test.each([
    ["an impossible number", 21211, () => send("+1415")],
    ["a sender that is not the account's", 21606, () => send("+14155552671", "x", "+14155550000")],
    ["a body over 1,600 characters", 21617, () => send("+14155552671", "x".repeat(1_601))],
    ["an unknown message", 20404, () => api().messages("SM00000000000000000000000000000000").fetch()],
  ])("%s is refused with %i", async (_title, code, call) => {
    const before = emulator.messages.length;
    await expect(call()).rejects.toMatchObject({ code });
    expect(emulator.messages).toHaveLength(before);
  });

  test("a wrong token, an unsubscribed and an unverified number, and too many requests have Twilio's codes", async () => {
    await expect(
      api("wrong").messages.create({ to: "+14155552671", from: emulator.from, body: "x" }),
    ).rejects.toMatchObject({ code: 20003, status: 401 });
    emulator.unsubscribed.add("+14155552671");
    await expect(send("+14155552671")).rejects.toMatchObject({ code: 21610, status: 400 });
    emulator.trialVerified = new Set();
    await expect(send("+14155552672")).rejects.toMatchObject({ code: 21608 });
    emulator.quota.limit = 0;
    await expect(send("+14155552671")).rejects.toMatchObject({ code: 20429, status: 429 });
  });

  test("planned faults: a status without effect, an effect without answer", async () => {
    const before = emulator.messages.length;
    emulator.faults.next(1, { status: 503 });
    await expect(send("+14155552671")).rejects.toMatchObject({ status: 503 });
    expect(emulator.messages).toHaveLength(before);
    emulator.faults.next(1, { loseAnswer: true });
    await expect(send("+14155552671")).rejects.toThrow();
    expect(emulator.messages).toHaveLength(before + 1);
  });
});
