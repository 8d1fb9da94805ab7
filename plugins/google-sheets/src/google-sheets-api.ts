import { auth, sheets, type sheets_v4 } from "@googleapis/sheets";
import type { ServiceAccount } from "./service-account.ts";

/** The calls this plugin makes. Each has a deadline, none is repeated by the client; errors are the client's. */
export interface SheetsApi {
  /** What `fields` names of a document, with the grid data of the ranges. */
  describe(spreadsheetId: string, ranges: readonly string[], fields: string): Promise<sheets_v4.Schema$Spreadsheet>;
  /** One column's texts, from row 1. */
  column(spreadsheetId: string, range: string): Promise<readonly string[]>;
  /** All requests or none. */
  update(spreadsheetId: string, requests: readonly sheets_v4.Schema$Request[]): Promise<void>;
}

/** Makes, or finds, the client of a service account. */
export type OpenSheetsApi = (account: ServiceAccount) => SheetsApi;

const SCOPES = ["https://www.googleapis.com/auth/spreadsheets"];
const READ_DEADLINE_MS = 8_000;
const WRITE_DEADLINE_MS = 10_000;
const TOKEN_DEADLINE_MS = 5_000;
/** Clients kept, each with its access token; the one used longest ago goes first. */
const CLIENTS_MAX = 500;

/** @param baseUrl another address for all of Google, token endpoint included; Google's own hosts unless given. */
export function sheetsApis(baseUrl: string | undefined): OpenSheetsApi {
  const clients = new Map<string, SheetsApi>();
  return (account) => {
    const key = JSON.stringify([account.email, account.privateKey]);
    const api = clients.get(key) ?? openApi(account, baseUrl);
    clients.delete(key);
    clients.set(key, api);
    const oldest = clients.keys().next().value;
    if (clients.size > CLIENTS_MAX && oldest !== undefined) clients.delete(oldest);
    return api;
  };
}

function openApi({ email, privateKey }: ServiceAccount, baseUrl: string | undefined): SheetsApi {
  const jwt = new auth.JWT({ email, key: privateKey, scopes: SCOPES });
  jwt.transporter.defaults.timeout = TOKEN_DEADLINE_MS;
  // Google's client has its token address written into it and repeats calls by itself: one interceptor ends both, so
  // that no call is made that the quota and the deadlines here do not know of.
  jwt.transporter.interceptors.request.add({
    resolved: async (config) => {
      if (baseUrl !== undefined) config.url = new URL(`${config.url.pathname}${config.url.search}`, baseUrl);
      config.retry = false;
      delete config.retryConfig;
      return config;
    },
  });
  const { spreadsheets } = sheets({ version: "v4", auth: jwt, retry: false });
  return {
    describe: async (spreadsheetId, ranges, fields) =>
      (await spreadsheets.get({ spreadsheetId, ranges: [...ranges], fields }, { timeout: READ_DEADLINE_MS })).data,
    column: async (spreadsheetId, range) => {
      const { data } = await spreadsheets.values.get({ spreadsheetId, range }, { timeout: READ_DEADLINE_MS });
      return (data.values ?? []).map((row) => String(row[0] ?? ""));
    },
    update: async (spreadsheetId, requests) => {
      await spreadsheets.batchUpdate(
        { spreadsheetId, requestBody: { requests: [...requests] }, fields: "spreadsheetId" },
        { timeout: WRITE_DEADLINE_MS },
      );
    },
  };
}
