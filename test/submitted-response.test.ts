import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { waitUntil } from "@plugboard/stack";
import {
  type GoogleSheetsEmulator,
  type Spreadsheet,
  startGoogleSheetsEmulator,
  startTwilioEmulator,
  type TwilioEmulator,
} from "@plugboard/testkit";
import { callJson, PlugboardUnderTest, type Service } from "./plugboard-under-test.ts";

const WAIT_MS = 40_000;
const QUESTIONS = ["name", "phone", "income", "savings"].map((id) => ({ id }));
const RULE = {
  id: "savings",
  check: "answers.savings <= answers.income",
  message: "More is saved than earned: please ask again.",
  fields: ["savings", "income"],
};

interface Detail {
  readonly flags: ReadonlyArray<{ readonly message: string; readonly state: string }>;
}

const until = (what: string, condition: () => boolean | Promise<boolean>) =>
  waitUntil(what, WAIT_MS, async () => (await condition()) || undefined);

describe("a submitted response reaches every plugin that its team has enabled", () => {
  let google: GoogleSheetsEmulator;
  let twilio: TwilioEmulator;
  let plugboard: PlugboardUnderTest;
  let core: Service;
  let plugins: readonly Service[];
  let sheet: Spreadsheet;

  beforeAll(async () => {
    [google, twilio, plugboard] = await Promise.all([
      startGoogleSheetsEmulator({ quotaPerMinute: Number.POSITIVE_INFINITY }),
      startTwilioEmulator({ quotaPerSecond: Number.POSITIVE_INFINITY }),
      PlugboardUnderTest.open(),
    ]);
    sheet = google.createSpreadsheet();
    [core, , ...plugins] = await Promise.all([
      plugboard.startCore(),
      plugboard.startRouter(),
      plugboard.startPlugin("validator"),
      plugboard.startPlugin("google-sheets", { GOOGLE_SHEETS_GOOGLE_BASE_URL: google.url }),
      plugboard.startPlugin("sms", { SMS_TWILIO_BASE_URL: twilio.url }),
    ]);
    await Promise.all([
      plugIn("validator", { rules: [RULE] }, { enabled: true, mode: "both" }),
      plugIn("google-sheets", { spreadsheetId: sheet.id, serviceAccount: JSON.stringify(google.serviceAccount) }),
      plugIn("sms", {
        accountSid: twilio.accountSid,
        authToken: twilio.authToken,
        from: twilio.from,
        rules: [{ id: "thanks", to: "phone", template: "Thank you, {{ answers.name }}" }],
      }),
    ]);
    for (const team of ["team-a", "team-none"]) {
      await callJson("PUT", `${core.url}/forms/form-${team}`, { team, title: "Household", questions: QUESTIONS });
    }
  }, 180_000);

  afterAll(async () => {
    await plugboard?.close();
    await Promise.allSettled([google?.stop(), twilio?.stop()]);
  }, 60_000);

  async function plugIn(plugin: string, settings: object, enablement: object = { enabled: true }): Promise<void> {
    await plugboard.enable("team-a", plugin, enablement);
    await plugboard.configure("team-a", plugin, settings);
  }

  async function submit(team: string, name: string, savings: number): Promise<string> {
    const answers = { name, phone: "+254712345678", income: 100, savings };
    const body = { answers, collector: "amina" };
    return ((await callJson("POST", `${core.url}/forms/form-${team}/submit`, body)) as { id: string }).id;
  }

  /** Submits a response and waits for its row. */
  async function submitted(name: string): Promise<string> {
    await submit("team-a", name, 1);
    await until("its row is there", () => rowsWith(name) === 1);
    return name;
  }

  async function detail(response: string): Promise<Detail> {
    return (await callJson("GET", `${core.url}/responses/${response}`)) as Detail;
  }

  function rowsWith(name: string): number {
    const rows = sheet.sheets.flatMap((grid) => Array.from({ length: grid.lastRow }, (_, row) => grid.row(row)));
    return rows.filter((row) => row.includes(name)).length;
  }

  const textsTo = (name: string) => twilio.messages.filter(({ body }) => body.includes(name)).length;
  test("a row, a text and, where a rule is broken, a flag that its collector sees", async () => {
    const right = await submit("team-a", "Wanjiru", 10);
    const wrong = await submit("team-a", "Otieno", 1_000);
    await until("both rows are in the sheet", () => rowsWith("Wanjiru") === 1 && rowsWith("Otieno") === 1);
    await until("both texts are sent", () => textsTo("Wanjiru") === 1 && textsTo("Otieno") === 1);
    await until("the wrong response is flagged", async () => (await detail(wrong)).flags.length > 0);
    expect((await detail(wrong)).flags).toMatchObject([{ message: RULE.message, state: "open" }]);
    expect((await detail(right)).flags).toEqual([]);
  });

  test("a team without plugins gets nothing, and one that switches a plugin off gets nothing more of it", async () => {
    await submit("team-none", "Nobody", 1_000);
    await submit("team-a", "Before", 1);
    await until("the text before the change is sent", () => textsTo("Before") === 1);
    await plugboard.enable("team-a", "sms", { enabled: false });
    // The change is in force within a quarter of a second: it is, once three in a row got their row and no text.
    const change: string[] = [];
    const inForce = () => change.length >= 3 && change.slice(-3).every((name) => textsTo(name) === 0);
    while (!inForce() && change.length < 30) change.push(await submitted(`Change-${change.length}.`));
    const after: string[] = [];
    for (let at = 0; at < 5; at += 1) after.push(await submitted(`After-${at}.`));

    await plugboard.enable("team-a", "sms", { enabled: true });
    for (let at = 0; textsTo("Again") === 0 && at < 30; at += 1) await submitted(`Again-${at}.`);
    await until("a text is sent after the plugin is back", () => textsTo("Again") > 0);
    expect(after.map(textsTo)).toEqual([0, 0, 0, 0, 0]);
    expect(textsTo("Nobody") + rowsWith("Nobody")).toBe(0);
  });

  test("every plugin drains on SIGTERM and leaves with 0", async () => {
    expect(await Promise.all([core, ...plugins].map((service) => service.end("SIGTERM")))).toEqual([0, 0, 0, 0]);
  });
});
