import { generateKeyPairSync } from "node:crypto";
import { auth, sheets, type sheets_v4 } from "@googleapis/sheets";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type GoogleSheetsEmulator, startGoogleSheetsEmulator } from "../src/index.ts";

const SCOPES = ["https://www.googleapis.com/auth/spreadsheets"];

/** Google's own client, pointed at the emulator. */
function client(emulator: GoogleSheetsEmulator, key = emulator.serviceAccount): sheets_v4.Sheets {
  const jwt = new auth.JWT({ email: key.client_email, key: key.private_key, scopes: SCOPES });
  jwt.transporter.interceptors.request.add({
    resolved: async (config) => {
      config.url = new URL(`${config.url.pathname}${config.url.search}`, emulator.url);
      config.retry = false;
      delete config.retryConfig;
      return config;
    },
  });
  return sheets({ version: "v4", auth: jwt, rootUrl: emulator.url, retry: false });
}

const row = (...values: string[]) => ({ values: values.map((stringValue) => ({ userEnteredValue: { stringValue } })) });

/** The fields of a refused call that callers look at. */
async function refusal(
  call: Promise<unknown>,
): Promise<{ status: number | undefined; message: string; state: unknown }> {
  try {
    await call;
  } catch (error) {
    const { response, message } = error as { response?: { status: number; data: { error: unknown } }; message: string };
    const body = response?.data.error;
    return {
      status: response?.status,
      message,
      state: typeof body === "object" && body !== null && "status" in body ? body.status : body,
    };
  }
  throw new Error("the call was not refused");
}

describe("the Google Sheets emulator, driven by Google's client", () => {
  let emulator: GoogleSheetsEmulator;
  beforeAll(async () => {
    emulator = await startGoogleSheetsEmulator();
  });
  afterAll(() => emulator.stop());
  beforeEach(() => {
    emulator.faults.clear();
    emulator.quota.read.reset();
    emulator.quota.write.reset();
  });

  test("a service account gets one token and uses it for many calls", async () => {
    const { id } = emulator.createSpreadsheet();
    const api = client(emulator);
    const before = emulator.oauth.tokensIssued;
    for (let i = 0; i < 3; i++) await api.spreadsheets.get({ spreadsheetId: id });
    expect(emulator.oauth.tokensIssued - before).toBe(1);
  });

  test("a key that does not belong to the account is an invalid grant", async () => {
    const { privateKey } = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
      publicKeyEncoding: { type: "spki", format: "pem" },
    });
    const forged = client(emulator, { ...emulator.serviceAccount, private_key: privateKey });
    const { id } = emulator.createSpreadsheet();
    expect(await refusal(forged.spreadsheets.get({ spreadsheetId: id }))).toEqual({
      status: 400,
      message: "invalid_grant: Invalid JWT Signature.",
      state: "invalid_grant",
    });
    const unknown = client(emulator, { ...emulator.serviceAccount, client_email: "nobody@example.com" });
    expect((await refusal(unknown.spreadsheets.get({ spreadsheetId: id }))).message).toContain("account not found");
  });

  test("an unknown document is 404, one not shared 403, one shared for reading cannot be written", async () => {
    const api = client(emulator);
    expect(await refusal(api.spreadsheets.get({ spreadsheetId: "nothing" }))).toMatchObject({
      status: 404,
      state: "NOT_FOUND",
    });
    const document = emulator.createSpreadsheet({ shared: false });
    expect(await refusal(api.spreadsheets.get({ spreadsheetId: document.id }))).toMatchObject({
      status: 403,
      state: "PERMISSION_DENIED",
      message: "The caller does not have permission",
    });
    document.sharedWith.set(emulator.serviceAccount.client_email, "reader");
    await api.spreadsheets.get({ spreadsheetId: document.id });
    const write = api.spreadsheets.batchUpdate({
      spreadsheetId: document.id,
      requestBody: { requests: [{ appendCells: { sheetId: 0, rows: [row("a")], fields: "userEnteredValue" } }] },
    });
    expect(await refusal(write)).toMatchObject({ status: 403 });
  });

  test("values are read back as shown, typed input is computed only when asked for", async () => {
    const { id, sheets: grids } = emulator.createSpreadsheet();
    const api = client(emulator);
    const values = [["=1+1", "5", "TRUE"]];
    await api.spreadsheets.values.update({
      spreadsheetId: id,
      range: "Sheet1!A1",
      valueInputOption: "RAW",
      requestBody: { values },
    });
    const appended = await api.spreadsheets.values.append({
      spreadsheetId: id,
      range: "Sheet1!A1",
      valueInputOption: "USER_ENTERED",
      requestBody: { values },
    });
    expect(appended.data.updates?.updatedRange).toBe("Sheet1!A2:C2");
    expect(grids[0]?.row(0)).toEqual(["=1+1", "5", "TRUE"]);
    expect(grids[0]?.row(1)).toEqual([{ formula: "=1+1" }, 5, true]);
    const { data } = await api.spreadsheets.values.batchGet({
      spreadsheetId: id,
      ranges: ["Sheet1!A1:C1", "Sheet1!B2"],
    });
    expect(data.valueRanges?.map((range) => range.values)).toEqual([[["=1+1", "5", "TRUE"]], [["5"]]]);
    await api.spreadsheets.values.batchUpdate({
      spreadsheetId: id,
      requestBody: { valueInputOption: "RAW", data: [{ range: "Sheet1!B1:B1", values: [["new"]] }] },
    });
    const column = await api.spreadsheets.values.get({ spreadsheetId: id, range: "Sheet1!B:B" });
    expect(column.data.values).toEqual([["new"], ["5"]]);
  });

  test("a write outside the grid is refused until the grid is extended, and a batch is all or nothing", async () => {
    const document = emulator.createSpreadsheet();
    const api = client(emulator);
    const wide = row(...Array.from({ length: 27 }, (_, i) => `q${i}`));
    const append = { appendCells: { sheetId: 0, rows: [wide], fields: "userEnteredValue" } };
    const short = { appendCells: { sheetId: 0, rows: [row("kept?")], fields: "userEnteredValue" } };
    const send = (requests: sheets_v4.Schema$Request[]) =>
      api.spreadsheets.batchUpdate({ spreadsheetId: document.id, requestBody: { requests } });
    expect(await refusal(send([short, append]))).toEqual({
      status: 400,
      state: "INVALID_ARGUMENT",
      message:
        "Invalid requests[1].appendCells: Attempting to write column: 26, beyond the last requested column of: 25",
    });
    expect(document.sheets[0]?.lastRow).toBe(0);
    await send([{ appendDimension: { sheetId: 0, dimension: "COLUMNS", length: 1 } }, append]);
    expect(document.sheets[0]?.row(0)).toHaveLength(27);
    expect(
      (await refusal(api.spreadsheets.values.get({ spreadsheetId: document.id, range: "Sheet1!AB1" }))).message,
    ).toBe("Range (Sheet1!AB1) exceeds grid limits. Max rows: 1000, max columns: 27");
  });

  test("the limits of cells and of characters hold", async () => {
    const document = emulator.createSpreadsheet();
    const api = client(emulator);
    const grow = api.spreadsheets.batchUpdate({
      spreadsheetId: document.id,
      requestBody: { requests: [{ appendDimension: { sheetId: 0, dimension: "ROWS", length: 400_000 } }] },
    });
    expect((await refusal(grow)).message).toBe(
      "Invalid requests[0].appendDimension: This action would increase the number of cells in the workbook above the limit of 10000000 cells.",
    );
    const long = api.spreadsheets.batchUpdate({
      spreadsheetId: document.id,
      requestBody: {
        requests: [{ appendCells: { sheetId: 0, rows: [row("x".repeat(50_001))], fields: "userEnteredValue" } }],
      },
    });
    expect((await refusal(long)).message).toContain("more than the maximum of 50000 characters");
  });

  test("over quota is 429 RESOURCE_EXHAUSTED, reads and writes apart", async () => {
    const { id } = emulator.createSpreadsheet();
    const api = client(emulator);
    for (let i = 0; i < 60; i++) await api.spreadsheets.get({ spreadsheetId: id, fields: "spreadsheetId" });
    const late = await refusal(api.spreadsheets.get({ spreadsheetId: id }));
    expect(late).toMatchObject({ status: 429, state: "RESOURCE_EXHAUSTED" });
    expect(late.message).toContain("limit 'Read requests per minute per user'");
    await api.spreadsheets.values.update({
      spreadsheetId: id,
      range: "A1",
      valueInputOption: "RAW",
      requestBody: { values: [["still allowed"]] },
    });
  });

  test("planned faults: a status without effect, an effect without answer", async () => {
    const document = emulator.createSpreadsheet();
    const api = client(emulator);
    const append = () =>
      api.spreadsheets.batchUpdate({
        spreadsheetId: document.id,
        requestBody: { requests: [{ appendCells: { sheetId: 0, rows: [row("a")], fields: "userEnteredValue" } }] },
      });
    emulator.faults.next(1, { status: 503 });
    expect(await refusal(append())).toMatchObject({ status: 503, state: "UNAVAILABLE" });
    expect(document.sheets[0]?.lastRow).toBe(0);
    emulator.faults.next(1, { loseAnswer: true });
    expect((await refusal(append())).status).toBeUndefined();
    expect(document.sheets[0]?.lastRow).toBe(1);
  });

  test("a field mask narrows the answer; ranges bring their grid data", async () => {
    const { id, sheets: grids } = emulator.createSpreadsheet();
    grids[0]?.set(0, 1, "header");
    const { data } = await client(emulator).spreadsheets.get({
      spreadsheetId: id,
      ranges: ["'Sheet1'!1:1"],
      fields: "sheets(properties(sheetId,title),data.rowData.values.formattedValue)",
    });
    expect(data).toEqual({
      sheets: [
        {
          properties: { sheetId: 0, title: "Sheet1" },
          data: [{ rowData: [{ values: [{}, { formattedValue: "header" }] }] }],
        },
      ],
    });
  });
});
