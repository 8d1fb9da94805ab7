import { randomBytes } from "node:crypto";
import express, { type Request, type RequestHandler, type Response } from "express";
import { isValidPhoneNumber } from "libphonenumber-js/max";
import { type EmulatorServer, serveEmulator } from "./emulator-server.ts";
import { FaultPlan } from "./fault-plan.ts";
import { SlidingQuota } from "./sliding-quota.ts";
import { TWILIO_ERRORS, type TwilioErrorCode } from "./twilio/twilio-errors.ts";

/** A message as the account's log shows it. */
export interface TwilioMessage {
  readonly sid: string;
  readonly to: string;
  readonly from: string;
  readonly body: string;
  readonly dateCreated: Date;
}

export interface TwilioEmulator extends EmulatorServer {
  readonly accountSid: string;
  readonly authToken: string;
  /** A number of the account, in E.164. */
  readonly from: string;
  /** Everything accepted, oldest first. */
  readonly messages: readonly TwilioMessage[];
  readonly faults: FaultPlan;
  /** Requests a second for the account. */
  readonly quota: SlidingQuota;
  /** Numbers that answered STOP: 21610. */
  readonly unsubscribed: Set<string>;
  /** A trial account reaches verified numbers only: 21608 for all others. Null for a full account. */
  trialVerified: Set<string> | null;
}

/** Twilio's limit for a body, in characters. */
const BODY_LENGTH_MAX = 1_600;
const QUOTA_PER_SECOND = 100;

class TwilioRefusal extends Error {
  readonly code: TwilioErrorCode;
  constructor(code: TwilioErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Twilio's Programmable Messaging over HTTP: creates, gets and lists messages, with Twilio's checks, error codes and
 * bodies.
 * @param options.quotaPerSecond requests a second; Infinity for none.
 */
export async function startTwilioEmulator(
  options: {
    readonly port?: number;
    readonly quotaPerSecond?: number;
    readonly accountSid?: string;
    readonly authToken?: string;
  } = {},
): Promise<TwilioEmulator> {
  const state = {
    accountSid: options.accountSid ?? `AC${randomBytes(16).toString("hex")}`,
    authToken: options.authToken ?? randomBytes(16).toString("hex"),
    from: "+15005550006",
    messages: [] as TwilioMessage[],
    faults: new FaultPlan(),
    quota: new SlidingQuota(options.quotaPerSecond ?? QUOTA_PER_SECOND, 1_000),
    unsubscribed: new Set<string>(),
    trialVerified: null as Set<string> | null,
  };
  const app = express();
  app.disable("x-powered-by");
  app.use(express.urlencoded({ extended: false, limit: "1mb" }));
  const guarded = [state.faults.middleware(sendStatus), authenticate(state), limit(state.quota)];
  const path = "/2010-04-01/Accounts/:account/Messages";
  app.post(`${path}.json`, ...guarded, (request, response) => {
    const message = accept(request.body as Record<string, unknown>, state);
    state.messages.push(message);
    response.status(201).json(describe(message, state.accountSid, "queued"));
  });
  app.get(`${path}/:sid.json`, ...guarded, (request, response) => {
    const message = state.messages.find(({ sid }) => sid === request.params.sid);
    if (message === undefined) throw new TwilioRefusal(20404, `The requested resource ${request.path} was not found`);
    response.json(describe(message, state.accountSid, "delivered"));
  });
  app.get("/_emulator/messages", (_request, response) => {
    response.json({ count: state.messages.length, messages: state.messages });
  });
  app.get("/_emulator/account", (_request, response) => {
    response.json({ accountSid: state.accountSid, authToken: state.authToken, from: state.from });
  });
  app.use(((request) => {
    throw new TwilioRefusal(20404, `The requested resource ${request.path} was not found`);
  }) satisfies RequestHandler);
  app.use(((error: unknown, _request: Request, response: Response, next: (error: unknown) => void) => {
    if (response.headersSent) return next(error);
    if (error instanceof TwilioRefusal) return sendError(response, error.code, error.message);
    sendStatus(response, 500);
  }) satisfies express.ErrorRequestHandler);
  return Object.assign(state, await serveEmulator(app, options.port));
}

function authenticate(account: { readonly accountSid: string; readonly authToken: string }): RequestHandler {
  return (request, _response, next) => {
    const expected = Buffer.from(`${account.accountSid}:${account.authToken}`).toString("base64");
    if (request.headers.authorization !== `Basic ${expected}`) throw new TwilioRefusal(20003, "Authenticate");
    if (request.params.account !== account.accountSid) {
      throw new TwilioRefusal(20404, `The requested resource ${request.path} was not found`);
    }
    next();
  };
}

function limit(quota: SlidingQuota): RequestHandler {
  return (_request, _response, next) => {
    if (!quota.take("account")) throw new TwilioRefusal(20429, "Too Many Requests");
    next();
  };
}

/** Checks a message as Twilio does, in its order. */
function accept(form: Record<string, unknown>, account: TwilioEmulator | Omit<TwilioEmulator, keyof EmulatorServer>) {
  const to = text(form.To);
  const from = text(form.From);
  const body = text(form.Body);
  if (to === "") throw new TwilioRefusal(21604, "A 'To' phone number is required.");
  if (from === "") throw new TwilioRefusal(21603, "A 'From' phone number is required.");
  if (body === "") throw new TwilioRefusal(21602, "Message body is required.");
  if (body.length > BODY_LENGTH_MAX) {
    throw new TwilioRefusal(21617, "The concatenated message body exceeds the 1600 character limit");
  }
  if (!isValidPhoneNumber(to)) throw new TwilioRefusal(21211, `Invalid 'To' Phone Number: ${masked(to)}`);
  if (from !== account.from) {
    throw new TwilioRefusal(21606, `'From' ${from} is not a Twilio phone number or Short Code country mismatch`);
  }
  if (to === from) throw new TwilioRefusal(21266, "'To' and 'From' number cannot be the same");
  if (account.trialVerified !== null && !account.trialVerified.has(to)) {
    throw new TwilioRefusal(
      21608,
      `The number ${masked(to)} is unverified. Trial accounts cannot send messages to unverified numbers; verify ${masked(to)} at twilio.com/user/account/phone-numbers/verified, or purchase a Twilio number to send messages to unverified numbers`,
    );
  }
  if (account.unsubscribed.has(to)) throw new TwilioRefusal(21610, "Attempt to send to unsubscribed recipient");
  return { sid: `SM${randomBytes(16).toString("hex")}`, to, from, body, dateCreated: new Date() };
}

function describe(message: TwilioMessage, accountSid: string, status: "queued" | "delivered"): object {
  return {
    account_sid: accountSid,
    api_version: "2010-04-01",
    body: message.body,
    date_created: message.dateCreated.toUTCString(),
    date_sent: status === "queued" ? null : message.dateCreated.toUTCString(),
    date_updated: message.dateCreated.toUTCString(),
    direction: "outbound-api",
    error_code: null,
    error_message: null,
    from: message.from,
    messaging_service_sid: null,
    num_media: "0",
    num_segments: String(Math.ceil(message.body.length / 153)),
    price: null,
    price_unit: "USD",
    sid: message.sid,
    status,
    subresource_uris: { media: `/2010-04-01/Accounts/${accountSid}/Messages/${message.sid}/Media.json` },
    to: message.to,
    uri: `/2010-04-01/Accounts/${accountSid}/Messages/${message.sid}.json`,
  };
}

function sendError(response: Response, code: TwilioErrorCode, message: string): void {
  const status = TWILIO_ERRORS[code];
  response.status(status).json({ code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status });
}

/** A failure of the platform itself, by its HTTP status alone. */
function sendStatus(response: Response, status: number): void {
  if (status === 429) {
    sendError(response, 20429, "Too Many Requests");
    return;
  }
  const message = status >= 500 ? "An internal server error has occurred" : "Bad Request";
  const code = status === 503 ? 20503 : 20500;
  response.status(status).json({ code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status });
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const masked = (number: string): string => `${number.slice(0, -4)}XXXX`;
