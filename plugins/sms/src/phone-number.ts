import { type CountryCode, isSupportedCountry, parsePhoneNumberFromString } from "libphonenumber-js/max";

export type Recipient =
  | { readonly kind: "number"; readonly e164: string }
  | { readonly kind: "none" }
  | { readonly kind: "invalid"; readonly reason: string };

/** Reads the answer that holds a phone number. Reasons never hold the number itself: they end in logs and records. */
export function readRecipient(answer: unknown, defaultCountry: string | undefined): Recipient {
  if (answer === undefined || answer === null || (typeof answer === "string" && answer.trim() === "")) {
    return { kind: "none" };
  }
  if (typeof answer !== "string" && typeof answer !== "number") {
    return { kind: "invalid", reason: "is neither text nor a number" };
  }
  const country = defaultCountry !== undefined && isSupportedCountry(defaultCountry) ? defaultCountry : undefined;
  const number = parsePhoneNumberFromString(
    String(answer),
    country === undefined ? undefined : { defaultCountry: country },
  );
  if (number?.isValid()) return { kind: "number", e164: number.number };
  return {
    kind: "invalid",
    reason: `is not a valid phone number${country === undefined ? "; without a default country it must begin with + and the country" : ` (default country ${country})`}`,
  };
}

/** Whether the country's numbers are known. */
export function isCountry(code: string): code is CountryCode {
  return isSupportedCountry(code);
}

/** Whether Twilio could take this as a sender: E.164, short code, alphanumeric sender or messaging service. */
export function isSender(from: string): boolean {
  if (from.startsWith("+")) return parsePhoneNumberFromString(from)?.number === from;
  return /^\d{3,8}$/.test(from) || /^MG[0-9a-f]{32}$/.test(from) || /^(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}$/.test(from);
}
