import {
  type GoogleSheetsEmulator,
  startGoogleSheetsEmulator,
  startTwilioEmulator,
  type TwilioEmulator,
} from "@plugboard/testkit";
import type { VendorAccounts } from "./scenario.ts";
import { portFrom } from "./services.ts";
import type { VendorUrls } from "./system.ts";

/** Google and Twilio, emulated: real HTTP servers that speak their protocols; see packages/testkit. */
export interface Vendors {
  readonly google: GoogleSheetsEmulator;
  readonly twilio: TwilioEmulator;
  readonly urls: VendorUrls;
  stop(): Promise<void>;
}

/** Far above what Google grants without asking (60 writes a minute), so that the demo shows this system's speed. */
const SHEETS_CALLS_PER_MINUTE = 1_000_000;

export async function startVendors(): Promise<Vendors> {
  const google = await startGoogleSheetsEmulator({
    port: await portFrom(4401),
    quotaPerMinute: SHEETS_CALLS_PER_MINUTE,
  });
  const twilio = await startTwilioEmulator({ port: await portFrom(4402), quotaPerSecond: Number.POSITIVE_INFINITY });
  return {
    google,
    twilio,
    urls: { google: google.url, twilio: twilio.url },
    stop: async () => {
      await Promise.all([google.stop(), twilio.stop()]);
    },
  };
}

/** Team → the id of its spreadsheet. */
export const SPREADSHEETS = {
  "nutrition-kenya": "nutrition-kenya-responses",
  "heart-study-ghana": "heart-study-ghana-responses",
} as const;

/** What a team would get from its vendors: documents shared with the service account, credentials. */
export function accountsAt({ google, twilio }: Vendors): VendorAccounts {
  for (const [team, id] of Object.entries(SPREADSHEETS)) google.createSpreadsheet({ id, title: team, shared: true });
  const { accountSid, authToken, from } = twilio;
  return {
    serviceAccount: JSON.stringify(google.serviceAccount),
    spreadsheets: SPREADSHEETS,
    twilio: { accountSid, authToken, from },
  };
}
