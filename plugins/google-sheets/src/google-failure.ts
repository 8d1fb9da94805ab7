/** Why a call to Google did not succeed, and what follows. */
export type GoogleFailure =
  /** Ours or Google's, for now. `overQuota`: refused unread, for there were too many calls. */
  | { readonly kind: "not-now"; readonly reason: string; readonly overQuota: boolean; readonly afterMs?: number }
  /** The team has to do something; the reason says what. */
  | { readonly kind: "refused"; readonly reason: string; readonly field: "spreadsheetId" | "serviceAccount" }
  /** The range names a sheet that does not exist, or cells outside its grid. */
  | { readonly kind: "no-such-range"; readonly reason: string }
  /** Google calls the request itself wrong. */
  | { readonly kind: "invalid"; readonly reason: string };

interface ClientError {
  readonly message: string;
  readonly code?: unknown;
  readonly response?: { readonly status: number; readonly headers?: unknown; readonly data?: unknown };
}

/** Reads an error of Google's client. @param email of the service account, for advice. */
export function readGoogleFailure(error: unknown, email: string): GoogleFailure {
  const { response, message, code } = error as ClientError;
  if (response === undefined) {
    return { kind: "not-now", overQuota: false, reason: `Google did not answer: ${String(code ?? message)}` };
  }
  const body = (response.data as { error?: unknown; error_description?: unknown } | undefined) ?? {};
  if (typeof body.error === "string") return tokenFailure(body.error, String(body.error_description ?? ""));
  const said = String((body.error as { message?: unknown } | undefined)?.message ?? message);
  switch (response.status) {
    case 400:
      return badRequest(said);
    case 401:
      return { kind: "not-now", overQuota: false, reason: "Google did not accept the access token" };
    case 403:
      return forbidden(said, email);
    case 404:
      return {
        kind: "refused",
        field: "spreadsheetId",
        reason: "Google knows no spreadsheet with this id: it is the part of its address between /d/ and /edit",
      };
    case 429:
      return {
        kind: "not-now",
        overQuota: true,
        reason: `Google's quota is used up: ${said}`,
        ...retryAfter(response),
      };
    default:
      return response.status === 408 || response.status >= 500
        ? {
            kind: "not-now",
            overQuota: false,
            reason: `Google answered ${response.status}: ${said}`,
            ...retryAfter(response),
          }
        : { kind: "invalid", reason: `Google answered ${response.status}: ${said}` };
  }
}

function tokenFailure(code: string, description: string): GoogleFailure {
  if (/short-lived|timeframe/.test(description)) {
    return { kind: "not-now", overQuota: false, reason: `Google: ${description} (is this machine's clock right?)` };
  }
  return {
    kind: "refused",
    field: "serviceAccount",
    reason: `Google refuses the service account's key (${code}: ${description}): make a new key in Google Cloud and save it here`,
  };
}

function badRequest(said: string): GoogleFailure {
  if (/^Unable to parse range|exceeds grid limits/.test(said)) return { kind: "no-such-range", reason: said };
  if (/number of cells in the workbook above the limit/.test(said)) {
    const limit = /limit of (\d+) cells/.exec(said)?.[1] ?? "10000000";
    return {
      kind: "refused",
      field: "spreadsheetId",
      reason: `the spreadsheet is full (Google allows ${limit} cells in all its sheets, empty ones too): delete empty rows and columns or old rows, or choose another spreadsheet; then redrive`,
    };
  }
  if (/protected cell|not supported for this document/i.test(said)) {
    return { kind: "refused", field: "spreadsheetId", reason: `Google: ${said}` };
  }
  return { kind: "invalid", reason: `Google: ${said}` };
}

function forbidden(said: string, email: string): GoogleFailure {
  if (/rate limit/i.test(said)) return { kind: "not-now", overQuota: true, reason: `Google: ${said}` };
  if (/has not been used in project|is disabled/.test(said)) {
    return {
      kind: "refused",
      field: "serviceAccount",
      reason: `switch on the Google Sheets API for the service account's project. Google: ${said}`,
    };
  }
  return {
    kind: "refused",
    field: "spreadsheetId",
    reason: `share the spreadsheet with ${email} as Editor. Google: ${said}`,
  };
}

/** The client's headers are a Headers of its own fetch, which need not be this realm's. */
function retryAfter({ headers }: { readonly headers?: unknown }): { afterMs?: number } {
  const value = (headers as { get?: (name: string) => string | null } | undefined)?.get?.("retry-after") ?? "";
  return /^\d{1,5}$/.test(value) ? { afterMs: Number(value) * 1_000 } : {};
}
