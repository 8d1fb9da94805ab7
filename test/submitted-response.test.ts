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

const WAIT_MS = 60_000;
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

  async function detail(response: string): Promise<Detail> {
    return (await callJson("GET", `${core.url}/responses/${response}`)) as Detail;
  }

  function rowsWith(name: string): number {
    const grid = sheet.sheets[0];
    const rows = Array.from({ length: grid?.lastRow ?? 0 }, (_, row) => grid?.row(row) ?? []);
    return rows.filter((row) => row.includes(name)).length;
  }

  const textsTo = (name: string) => twilio.messages.filter(({ body }) => body.includes(name)).length;
  const until = (what: string, condition: () => boolean | Promise<boolean>) =>
    waitUntil(what, WAIT_MS, async () => (await condition()) || undefined);

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
    // Also a copy that was routed by the table of before is dropped: the plugin asks again at the attempt.
    for (let at = 0; at < 10; at += 1) await submit("team-a", `After-${at}`, 1);
    await until("the rows of all are there", () => rowsWith("After-9") === 1);
    await plugboard.enable("team-a", "sms", { enabled: true });
    let tries = 0;
    do {
      tries += 1;
      await submit("team-a", `Again-${tries}`, 1);
      await until("its row is there", () => rowsWith(`Again-${tries}`) === 1);
    } while (textsTo("Again") === 0 && tries < 30);
    await until("a text after the plugin is back", () => textsTo("Again") > 0);
    expect(textsTo("Nobody") + rowsWith("Nobody")).toBe(0);
    // The change may still be on its way when the first of them is handled, for a quarter of a second.
    const afterwards = Array.from({ length: 10 }, (_, at) => textsTo(`After-${at}`));
    expect(afterwards.slice(5)).toEqual([0, 0, 0, 0, 0]);
  });

  test("every plugin drains on SIGTERM and leaves with 0", async () => {
    expect(await Promise.all([core, ...plugins].map((service) => service.end("SIGTERM")))).toEqual([0, 0, 0, 0]);
  });
});
