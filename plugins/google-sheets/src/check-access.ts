import type { ProblemItem } from "@plugboard/contract";
import { readGoogleFailure } from "./google-failure.ts";
import type { OpenSheetsApi } from "./google-sheets-api.ts";
import { readServiceAccount } from "./service-account.ts";
import type { SheetsSettings } from "./settings.ts";

/**
 * Opens the spreadsheet as the service account, and sets its title to what it is: only an editor may.
 * @throws when Google does not answer now; the settings are then checked again later.
 */
export async function checkAccess(settings: SheetsSettings, open: OpenSheetsApi): Promise<ProblemItem[]> {
  const titles = settings.columns?.map(({ answer, title }) => (title ?? answer).trim()) ?? [];
  const twice = titles.findIndex((title, index) => titles.indexOf(title) < index);
  const problems: ProblemItem[] =
    twice < 0 ? [] : [{ path: `/columns/${twice}`, message: `two columns have the title "${titles[twice]}"` }];
  const read = readServiceAccount(settings.serviceAccount);
  if (!read.ok) return [...problems, { path: "/serviceAccount", message: read.problem }];
  const api = open(read.account);
  try {
    const { properties } = await api.describe(settings.spreadsheetId, [], "properties.title");
    const title = properties?.title ?? "";
    await api.update(settings.spreadsheetId, [
      { updateSpreadsheetProperties: { properties: { title }, fields: "title" } },
    ]);
    return problems;
  } catch (error) {
    const failure = readGoogleFailure(error, read.account.email);
    if (failure.kind === "not-now") throw new Error(failure.reason);
    const field = failure.kind === "refused" ? failure.field : "spreadsheetId";
    return [...problems, { path: `/${field}`, message: failure.reason }];
  }
}
