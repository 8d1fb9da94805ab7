import { randomBytes } from "node:crypto";
import express, { type ErrorRequestHandler, type Request, type RequestHandler, type Response } from "express";
import jsonMask from "json-mask";
import { type EmulatorServer, serveEmulator } from "./emulator-server.ts";
import { FaultPlan } from "./fault-plan.ts";
import { GoogleError, quotaError, sendGoogleError } from "./google/google-error.ts";
import { GoogleOAuth, type ServiceAccountKey } from "./google/google-oauth.ts";
import { type SheetGrid, Spreadsheet } from "./google/sheet-grid.ts";
import { applyBatchUpdate, sheetProperties } from "./google/sheets-batch-update.ts";
import { appendValues, gridData, type Located, locate, readValues, writeValues } from "./google/sheets-values.ts";
import { SlidingQuota } from "./sliding-quota.ts";

export interface GoogleSheetsEmulator extends EmulatorServer {
  /** The key of a service account; a new spreadsheet is shared with it as an editor. */
  readonly serviceAccount: ServiceAccountKey;
  readonly oauth: GoogleOAuth;
  readonly faults: FaultPlan;
  /** Requests a minute for each account; Google's own are 60 each. */
  readonly quota: { readonly read: SlidingQuota; readonly write: SlidingQuota };
  /** API calls that reached their work so far. */
  readonly calls: { read: number; write: number };
  /** A new document with one empty sheet, "Sheet1" (1,000 rows, 26 columns). */
  createSpreadsheet(options?: {
    readonly id?: string;
    readonly title?: string;
    readonly shared?: boolean;
  }): Spreadsheet;
  /** @throws when there is none with this id. */
  spreadsheet(id: string): Spreadsheet;
}

/** Google's per-minute limit for one user of a project, reads and writes each. */
const QUOTA_PER_MINUTE = 60;
const BODY_BYTES_MAX = 32 * 1024 * 1024;

/**
 * Google Sheets v4 and the OAuth 2.0 endpoint of service accounts, over HTTP: the paths a writer of rows uses, with
 * Google's checks, error bodies, grid limits and quotas.
 * @param options.quotaPerMinute requests a minute and account, reads and writes each; Infinity for none.
 */
export async function startGoogleSheetsEmulator(
  options: { readonly port?: number; readonly quotaPerMinute?: number } = {},
): Promise<GoogleSheetsEmulator> {
  const spreadsheets = new Map<string, Spreadsheet>();
  const oauth = new GoogleOAuth();
  const faults = new FaultPlan();
  const perMinute = options.quotaPerMinute ?? QUOTA_PER_MINUTE;
  const quota = { read: new SlidingQuota(perMinute, 60_000), write: new SlidingQuota(perMinute, 60_000) };
  const calls = { read: 0, write: 0 };
  let url = "";

  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.use(express.json({ limit: BODY_BYTES_MAX }), express.urlencoded({ extended: false }));
  const faulty = faults.middleware((response, status) => sendGoogleError(response, new GoogleError(status)));
  app.post(
    "/token",
    faulty,
    oauth.tokenEndpoint(() => `${url}/token`),
  );
  const admit = (kind: "read" | "write") => admission(kind, { oauth, quota, calls, spreadsheets });
  addSheetsRoutes(app, faulty, admit);
  addInspection(app, { spreadsheets, calls, serviceAccount: () => serviceAccount, create: (body) => create(body) });
  app.use(((_request, _response, next) => next(new GoogleError(404))) satisfies RequestHandler);
  app.use(errorHandler);

  const server = await serveEmulator(app, options.port);
  url = server.url;
  const serviceAccount = oauth.createServiceAccount("plugboard", `${url}/token`);
  const create: GoogleSheetsEmulator["createSpreadsheet"] = ({ id, title, shared = true } = {}) => {
    const spreadsheet = new Spreadsheet(id ?? randomBytes(33).toString("base64url"), title ?? "Untitled spreadsheet");
    if (shared) spreadsheet.sharedWith.set(serviceAccount.client_email, "writer");
    spreadsheets.set(spreadsheet.id, spreadsheet);
    return spreadsheet;
  };
  return {
    ...server,
    serviceAccount,
    oauth,
    faults,
    quota,
    calls,
    createSpreadsheet: create,
    spreadsheet: (id) => existing(spreadsheets, id),
  };
}

interface Admission {
  readonly oauth: GoogleOAuth;
  readonly quota: GoogleSheetsEmulator["quota"];
  readonly calls: GoogleSheetsEmulator["calls"];
  readonly spreadsheets: ReadonlyMap<string, Spreadsheet>;
}

/** Credential, quota, existence and sharing, in Google's order; puts the document in `response.locals`. */
function admission(kind: "read" | "write", { oauth, quota, calls, spreadsheets }: Admission): RequestHandler {
  return (request, response, next) => {
    const email = oauth.authenticate(request.headers.authorization);
    if (email === undefined) throw new GoogleError(401);
    if (!quota[kind].take(email)) throw quotaError(kind === "read" ? "Read" : "Write", "per minute per user");
    const spreadsheet = existing(spreadsheets, pathId(request));
    const role = spreadsheet.sharedWith.get(email);
    if (role === undefined || (kind === "write" && role !== "writer")) throw new GoogleError(403);
    calls[kind] += 1;
    response.locals.spreadsheet = spreadsheet;
    next();
  };
}

function addSheetsRoutes(
  app: express.Express,
  faulty: RequestHandler,
  admit: (kind: "read" | "write") => RequestHandler,
) {
  const document = (response: Response) => response.locals.spreadsheet as Spreadsheet;
  const answer = (request: Request, response: Response, body: object) =>
    response.json(masked(body, request.query.fields));
  const read = [faulty, admit("read")];
  const write = [faulty, admit("write")];
  app.get("/v4/spreadsheets/:id/values\\:batchGet", ...read, (request, response) => {
    const valueRanges = queryList(request.query.ranges).map((a1) => readValues(document(response), a1));
    answer(request, response, { spreadsheetId: document(response).id, valueRanges });
  });
  app.post("/v4/spreadsheets/:id/values\\:batchUpdate", ...write, (request, response) => {
    const { valueInputOption, data = [] } = request.body as { valueInputOption?: unknown; data?: { range: string }[] };
    const responses = data.map((item) => writeValues(document(response), item.range, item, valueInputOption));
    answer(request, response, { spreadsheetId: document(response).id, responses });
  });
  app.post("/v4/spreadsheets/:id/values/:range\\:append", ...write, (request, response) => {
    const range = String(request.params.range);
    answer(request, response, appendValues(document(response), range, request.body, request.query.valueInputOption));
  });
  app.get("/v4/spreadsheets/:id/values/:range", ...read, (request, response) => {
    answer(request, response, readValues(document(response), String(request.params.range)));
  });
  app.put("/v4/spreadsheets/:id/values/:range", ...write, (request, response) => {
    const range = String(request.params.range);
    answer(request, response, writeValues(document(response), range, request.body, request.query.valueInputOption));
  });
  app.post("/v4/spreadsheets/:id\\:batchUpdate", ...write, (request, response) => {
    const { replies } = applyBatchUpdate(document(response), request.body);
    answer(request, response, { spreadsheetId: document(response).id, replies });
  });
  app.get("/v4/spreadsheets/:id", ...read, (request, response) => {
    answer(request, response, describe(document(response), request));
  });
}

/** `spreadsheets.get`: with ranges, the sheets they touch and their grid data; without, all sheets and no data. */
function describe(spreadsheet: Spreadsheet, request: Request): object {
  const located = queryList(request.query.ranges).map((a1) => locate(spreadsheet, a1));
  const withData = request.query.includeGridData === "true" || String(request.query.fields).includes("data");
  const touched = (sheet: SheetGrid): Located[] => located.filter((range) => range.sheet === sheet);
  const sheets = spreadsheet.sheets.filter((sheet) => located.length === 0 || touched(sheet).length > 0);
  return {
    spreadsheetId: spreadsheet.id,
    properties: { title: spreadsheet.title, locale: "en_US", timeZone: "Etc/GMT" },
    sheets: sheets.map((sheet) => ({
      properties: sheetProperties(spreadsheet, sheet),
      ...(withData ? { data: touched(sheet).map(gridData) } : {}),
    })),
    spreadsheetUrl: `https://docs.google.com/spreadsheets/d/${spreadsheet.id}/edit`,
  };
}

/** Applies a field mask: Google separates levels by "." where json-mask has "/". */
function masked(body: object, fields: unknown): unknown {
  return typeof fields === "string" ? (jsonMask(body, fields.replaceAll(".", "/")) ?? {}) : body;
}

interface Inspected {
  readonly spreadsheets: ReadonlyMap<string, Spreadsheet>;
  readonly calls: object;
  readonly serviceAccount: () => ServiceAccountKey;
  readonly create: (body: { id?: string; title?: string; shared?: boolean }) => Spreadsheet;
}

/** What a demo or a test in another process asks: `/_emulator/…`, no credential. */
function addInspection(app: express.Express, { spreadsheets, calls, serviceAccount, create }: Inspected): void {
  app.get("/_emulator/service-account", (_request, response) => {
    response.json(serviceAccount());
  });
  app.post("/_emulator/spreadsheets", (request, response) => {
    response.status(201).json({ id: create(request.body ?? {}).id });
  });
  app.get("/_emulator/spreadsheets", (_request, response) => {
    const documents = [...spreadsheets.values()].map(({ id, title, sheets }) => ({
      id,
      title,
      sheets: sheets.map((sheet) => ({ title: sheet.title, rows: sheet.lastRow, columns: sheet.row(0).length })),
    }));
    response.json({ calls, spreadsheets: documents });
  });
  /** All rows of a sheet, or of one column of it (`?column=0`). */
  app.get("/_emulator/spreadsheets/:id/:sheet", (request, response) => {
    const spreadsheet = existing(spreadsheets, String(request.params.id));
    const sheet = spreadsheet.sheets.find(({ title }) => title === request.params.sheet);
    if (sheet === undefined) throw new GoogleError(404);
    const column = request.query.column;
    const rows = Array.from({ length: sheet.lastRow }, (_, row) =>
      column === undefined ? sheet.row(row) : [sheet.get(row, Number(column))],
    );
    response.json({ rows });
  });
}

const errorHandler: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) return next(error);
  if (error instanceof GoogleError) return sendGoogleError(response, error);
  const status = (error as { status?: unknown }).status;
  const isClientError = typeof status === "number" && status < 500;
  sendGoogleError(response, new GoogleError(isClientError ? 400 : 500, isClientError ? String(error) : undefined));
};

function existing(spreadsheets: ReadonlyMap<string, Spreadsheet>, id: string): Spreadsheet {
  const spreadsheet = spreadsheets.get(id);
  if (spreadsheet === undefined) throw new GoogleError(404);
  return spreadsheet;
}

function pathId(request: Request): string {
  return String(request.params.id);
}

function queryList(value: unknown): string[] {
  return value === undefined ? [] : [value].flat().map(String);
}
