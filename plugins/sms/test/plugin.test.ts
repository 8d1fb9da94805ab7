import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Delivery, Outcome } from "@plugboard/plugin-sdk";
import { createTestDatabase } from "@plugboard/stack";
import { startTwilioEmulator, type TwilioEmulator } from "@plugboard/testkit";
import { Pool } from "pg";
import { sms } from "../src/plugin.ts";
import { type SmsSettings, settingsSchema } from "../src/settings.ts";
import { createTwilioSender } from "../src/twilio-sender.ts";

let emulator: TwilioEmulator;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let db: Pool;

beforeAll(async () => {
  emulator = await startTwilioEmulator();
  database = await createTestDatabase();
  db = new Pool({ connectionString: database.url });
  // A pool resolves `end` before its last connections are gone; the drop of the database then breaks them.
  db.on("error", () => {});
  for (const sql of sms.migrations ?? []) await db.query(sql);
});
afterAll(async () => {
  await db.end();
  await database.drop();
  await emulator.stop();
});
beforeEach(() => {
  emulator.faults.clear();
  emulator.unsubscribed.clear();
  emulator.quota.limit = 1_000;
});

const RULE = {
  id: "thanks",
  to: "phone",
  template: "Asante {{ answers.name }}, {{ response.id }}",
  defaultCountry: "KE",
};
const settingsOf = (...rules: object[]): SmsSettings =>
  settingsSchema.parse({
    accountSid: emulator.accountSid,
    authToken: emulator.authToken,
    from: emulator.from,
    rules: rules.length === 0 ? [RULE] : rules,
  });

let responses = 0;
/** A delivery of a new response, unless parts of it are given. */
function delivery(
  answers: object = { name: "Amina", phone: "0712 345 678" },
  event: Partial<Delivery["event"]> = {},
  attempt = 1,
): Delivery {
  responses += 1;
  const responseId = event.responseId ?? `r${responses}`;
  const type = event.type ?? "onResponse";
  return {
    id: `${responseId}-${type}`,
    effectKey: `${responseId}-${type}`,
    team: "team-1",
    attempt,
    data: { answers, collector: "c1" },
    event: {
      id: "e",
      source: "core",
      teamId: "team-1",
      formId: "f1",
      revision: 1,
      time: null,
      priority: null,
      ...event,
      type,
      responseId,
    },
  };
}

async function deliver(given: Delivery, settings = settingsOf(), at = emulator.url): Promise<Outcome | undefined> {
  const resources = { twilio: createTwilioSender(at) };
  const { signal } = new AbortController();
  const context = { team: "team-1", settings, db, resources, signal, logger: { debug: () => {} } };
  return sms.onEvent?.(given, context as unknown as Parameters<NonNullable<typeof sms.onEvent>>[1]);
}

const sentFor = (given: Delivery) =>
  emulator.messages.filter(({ body }) => body.includes(String(given.event.responseId)));
const claimOf = async (given: Delivery) =>
  (await db.query("SELECT state, message_sid FROM sms_claims WHERE response = $1", [given.event.responseId])).rows;

describe("a text for a response", () => {
  test("goes to the number in the answer, filled in from the template, and is recorded with its sid", async () => {
    const given = delivery();
    expect(await deliver(given)).toEqual({ kind: "delivered" });
    const [message, ...others] = sentFor(given);
    expect(others).toEqual([]);
    expect(message).toMatchObject({ to: "+254712345678", body: `Asante Amina, ${given.event.responseId}` });
    expect(await claimOf(given)).toEqual([{ state: "sent", message_sid: message?.sid }]);
  });

  test("is not sent again by a redelivery or by another event of the response", async () => {
    const rule = { ...RULE, events: ["onResponse", "onResponseUpdate"] };
    const given = delivery();
    await deliver(given, settingsOf(rule));
    expect(await deliver({ ...given, attempt: 2 }, settingsOf(rule))).toEqual({ kind: "delivered" });
    const edit = delivery(undefined, { responseId: given.event.responseId, type: "onResponseUpdate", revision: 2 });
    expect(await deliver(edit, settingsOf(rule))).toEqual({ kind: "delivered" });
    expect(sentFor(given)).toHaveLength(1);
  });

  test("is sent once when twenty deliveries of it race", async () => {
    const given = delivery();
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => deliver(given)));
    expect(outcomes).toContainEqual({ kind: "delivered" });
    expect(sentFor(given)).toHaveLength(1);
  });

  test("is sent only for the rule's form and events", async () => {
    const rule = { ...RULE, form: "f2" };
    const other = delivery();
    expect(await deliver(other, settingsOf(rule))).toEqual({ kind: "delivered" });
    const edit = delivery(undefined, { formId: "f2", type: "onResponseUpdate" });
    expect(await deliver(edit, settingsOf(rule))).toEqual({ kind: "delivered" });
    const fitting = delivery(undefined, { formId: "f2" });
    await deliver(fitting, settingsOf(rule));
    expect([other, edit, fitting].map((one) => sentFor(one).length)).toEqual([0, 0, 1]);
  });

  test.each([
    ["no answer", { name: "A" }],
    ["null", { phone: null }],
    ["an empty answer", { phone: "  " }],
    ["a property that all objects have", Object.create({ phone: "0712345678" })],
  ])("is nothing to send with %s, and claims nothing", async (_title, answers) => {
    const given = delivery(answers);
    expect(await deliver(given)).toEqual({ kind: "delivered" });
    expect(await claimOf(given)).toEqual([]);
  });

  test.each([
    [
      "a number that is none",
      { phone: "12345" },
      RULE,
      'rule thanks: the answer "phone" is not a valid phone number (default country KE)',
    ],
    [
      "a national number without country",
      { phone: "0712345678" },
      { ...RULE, defaultCountry: undefined },
      "must begin with +",
    ],
    ["an answer that is a list", { phone: ["0712345678"] }, RULE, "neither text nor a number"],
    ["an empty message", { phone: "0712345678" }, { ...RULE, template: "{{ answers.nothing }}" }, "empty message"],
    ["a message too long", { phone: "0712345678", name: "x".repeat(1_601) }, RULE, "at most 1600 can be sent"],
    [
      "a template that loops without end",
      { phone: "0712345678" },
      { ...RULE, template: "{% for i in (1..100000000) %}x{% endfor %}" },
      "the template failed",
    ],
    [
      "a template that reads files",
      { phone: "0712345678" },
      { ...RULE, template: "{% include '/etc/passwd' %}" },
      "the template failed",
    ],
  ])("is rejected with the reason, and without the number, for %s", async (_title, answers, rule, reason) => {
    const given = delivery(answers);
    const outcome = await deliver(given, settingsOf(rule));
    expect(outcome).toMatchObject({ kind: "rejected", reason: expect.stringContaining(reason) });
    expect(JSON.stringify(outcome)).not.toContain("12345");
    expect(await claimOf(given)).toEqual([]);
  });
});

describe("when Twilio", () => {
  test("refuses for good, the delivery is rejected and the claim is free for a corrected response", async () => {
    emulator.unsubscribed.add("+254712345678");
    const given = delivery();
    expect(await deliver(given)).toEqual({
      kind: "rejected",
      reason: "rule thanks: Twilio 21610: Attempt to send to unsubscribed recipient; the recipient answered STOP",
    });
    emulator.unsubscribed.clear();
    expect(await deliver(given)).toEqual({ kind: "delivered" });
    expect(sentFor(given)).toHaveLength(1);
  });

  test("refuses the credentials, the reason says which settings to check and holds no secret", async () => {
    const settings = { ...settingsOf(), authToken: "wrong-token" };
    const outcome = await deliver(delivery(), settings);
    expect(outcome).toEqual({
      kind: "rejected",
      reason: "rule thanks: Twilio 20003: Authenticate; check the account SID and the auth token",
    });
  });

  test("takes no more requests, the claim is released and the delivery retried when Twilio says", async () => {
    emulator.faults.next(1, { status: 429, retryAfterS: 7 });
    const given = delivery();
    expect(await deliver(given)).toMatchObject({ kind: "retry", afterMs: 7_000 });
    expect(await claimOf(given)).toEqual([]);
    expect(await deliver(given)).toEqual({ kind: "delivered" });
    expect(sentFor(given)).toHaveLength(1);
  });

  test("cannot be reached, nothing was sent and it is retried", async () => {
    const gone = await startTwilioEmulator();
    await gone.stop();
    const given = delivery();
    const outcome = await deliver(given, settingsOf(), gone.url);
    expect(outcome).toMatchObject({ kind: "retry", reason: expect.stringContaining("ECONNREFUSED") });
    expect(await claimOf(given)).toEqual([]);
  });

  test.each([
    ["sends and its answer is lost", { loseAnswer: true as const }, 1],
    ["answers 500", { status: 500 }, 0],
  ])("%s, the text is unknown, and stays so through redeliveries", async (_title, fault, sent) => {
    emulator.faults.next(1, fault);
    const given = delivery();
    expect(await deliver(given)).toMatchObject({ kind: "unknown" });
    expect(await deliver({ ...given, attempt: 2 })).toMatchObject({ kind: "unknown" });
    expect(sentFor(given)).toHaveLength(sent);
    expect(await claimOf(given)).toMatchObject([{ state: "unknown" }]);
  });
});

describe("after a crash", () => {
  const crashed = (given: Delivery, delivery: string, age = "0 s") =>
    db.query(
      "INSERT INTO sms_claims (team, response, rule, state, delivery, claimed_at) VALUES ('team-1', $1, 'thanks', 'sending', $2, now() - $3::interval)",
      [given.event.responseId, delivery, age],
    );

  test("an unsettled claim of the same delivery is unknown: it may have been sent, and is not repeated", async () => {
    const given = delivery();
    await crashed(given, given.id);
    expect(await deliver({ ...given, attempt: 2 })).toMatchObject({
      kind: "unknown",
      reason: expect.stringContaining("cut short"),
    });
    expect(sentFor(given)).toEqual([]);
  });

  test("a claim that another delivery took just now is waited for; an old one is unknown", async () => {
    const fresh = delivery();
    await crashed(fresh, "another");
    expect(await deliver(fresh)).toMatchObject({ kind: "retry", reason: expect.stringContaining("another delivery") });
    const old = delivery();
    await crashed(old, "another", "2 minutes");
    expect(await deliver(old)).toMatchObject({ kind: "unknown" });
    expect([...sentFor(fresh), ...sentFor(old)]).toEqual([]);
  });
});

describe("several rules for one response", () => {
  const rules = [RULE, { ...RULE, id: "second", to: "other" }, { ...RULE, id: "third", to: "third" }];

  test("each sends its own; after a partial failure the retry sends only what is missing", async () => {
    emulator.faults.next(1, {
      status: 429,
      match: (request) => (request.body as { To?: string } | undefined)?.To === "+254712345679",
    });
    const given = delivery({ name: "A", phone: "0712345678", other: "0712345679", third: "12" });
    expect(await deliver(given, settingsOf(...rules))).toMatchObject({ kind: "retry" });
    expect(sentFor(given).map(({ to }) => to)).toEqual(["+254712345678"]);
    expect(await deliver(given, settingsOf(...rules))).toMatchObject({
      kind: "rejected",
      reason: expect.stringContaining("rule third"),
    });
    expect(sentFor(given).map(({ to }) => to)).toEqual(["+254712345678", "+254712345679"]);
  });
});

describe("a team's settings", () => {
  const problems = (settings: object) =>
    sms.validateSettings?.({ ...settingsOf(), ...settings } as SmsSettings, {} as never);

  test("that are right have no problems", async () => {
    for (const from of ["+15005550006", "12345", "Plugboard", `MG${"0".repeat(32)}`])
      expect(await problems({ from })).toEqual([]);
  });

  test("that are wrong have each problem named, templates with line and column", async () => {
    const found = await problems({
      from: "0712345678x!",
      rules: [
        { ...RULE, template: "Hello\n{% if answers.name %}x" },
        { ...RULE, template: "{{ answers.name | nonsense }}", defaultCountry: "ZZ" },
      ],
    });
    expect(found?.map(({ path }) => path)).toEqual([
      "/from",
      "/rules/0/template",
      "/rules/1/template",
      "/rules/1/defaultCountry",
      "/rules/1/id",
    ]);
    expect(found?.[1]?.message).toMatch(/not closed \(line 2, column 1\)$/);
    expect(found?.[2]?.message).toContain("nonsense");
  });

  test("keep the token a secret", () => {
    expect(settingsSchema.shape.authToken.meta()).toMatchObject({ writeOnly: true });
  });
});
