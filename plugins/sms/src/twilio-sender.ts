import twilio from "twilio";

/** What became of one call to Twilio. */
type SendResult =
  | { readonly kind: "sent"; readonly sid: string }
  /** Surely not sent, and sending it again will not help. */
  | { readonly kind: "refused"; readonly reason: string }
  /** Surely not sent; may work later. */
  | { readonly kind: "not-now"; readonly reason: string; readonly afterMs?: number }
  /** Perhaps sent. */
  | { readonly kind: "unknown"; readonly reason: string };

interface Message {
  readonly accountSid: string;
  readonly authToken: string;
  readonly from: string;
  readonly to: string;
  readonly body: string;
}

/** Sends one message; never throws. */
export type SendMessage = (message: Message) => Promise<SendResult>;

const SEND_DEADLINE_MS = 10_000;
/** Connections that were never made: nothing was sent. A reset is not among them. */
const NOT_CONNECTED = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

/** Twilio's answer 429, with what the client's own exception leaves out. */
class TooManyRequests extends Error {
  readonly afterMs: number | undefined;
  constructor(afterMs: number | undefined) {
    super("Twilio takes no more requests now (20429)");
    this.afterMs = afterMs;
  }
}

/**
 * Twilio's HTTP client, with another host if one is given, no idle connections kept (a reset of one could not be told
 * from a lost answer), and `Retry-After` read.
 */
class DirectedClient extends twilio.RequestClient {
  readonly #baseUrl: string | undefined;

  constructor(baseUrl: string | undefined) {
    super({ timeout: SEND_DEADLINE_MS, keepAlive: false });
    this.#baseUrl = baseUrl;
  }

  // The client's own option type is not exported: what came in goes on, with another address.
  override async request<Body>(options: Parameters<twilio.RequestClient["request"]>[0]) {
    const { pathname, search } = new URL(options.uri);
    const uri = this.#baseUrl === undefined ? options.uri : new URL(pathname + search, this.#baseUrl).href;
    const response = await super.request<Body>({ ...options, uri } as never);
    if (response.statusCode === 429) throw new TooManyRequests(retryAfterMs(response));
    return response;
  }
}

/** @param baseUrl where Twilio is; its own host unless given. */
export function createTwilioSender(baseUrl: string | undefined): SendMessage {
  const httpClient = new DirectedClient(baseUrl);
  return async ({ accountSid, authToken, from, to, body }) => {
    const client = twilio(accountSid, authToken, { httpClient });
    const sender = from.startsWith("MG") ? { messagingServiceSid: from } : { from };
    try {
      const { sid } = await client.messages.create({ ...sender, to, body });
      return { kind: "sent", sid };
    } catch (error) {
      return resultOf(error);
    }
  };
}

function resultOf(error: unknown): SendResult {
  if (error instanceof TooManyRequests) {
    return {
      kind: "not-now",
      reason: error.message,
      ...(error.afterMs === undefined ? {} : { afterMs: error.afterMs }),
    };
  }
  if (error instanceof twilio.RestException) {
    const said = `Twilio ${error.code ?? error.status}: ${error.message}`;
    if (error.status >= 400 && error.status < 500 && error.status !== 408) {
      return { kind: "refused", reason: `${said}${adviceFor(error.code)}` };
    }
    return { kind: "unknown", reason: `${said} (HTTP ${error.status}); it may have been sent` };
  }
  const { code, syscall, message } = error as { code?: string; syscall?: string; message?: string };
  if ((code !== undefined && NOT_CONNECTED.has(code)) || syscall === "connect") {
    return { kind: "not-now", reason: `Twilio cannot be reached: ${code ?? message}` };
  }
  return { kind: "unknown", reason: `Twilio's answer was lost: ${code ?? message}` };
}

function adviceFor(code: number | undefined): string {
  switch (code) {
    case 20003:
      return "; check the account SID and the auth token";
    case 21606:
      return "; check `from`";
    case 21608:
      return "; a trial account reaches verified numbers only";
    case 21610:
      return "; the recipient answered STOP";
    default:
      return "";
  }
}

function retryAfterMs(response: { headers?: unknown }): number | undefined {
  const value = (response.headers as Record<string, unknown> | undefined)?.["retry-after"];
  return typeof value === "string" && /^\d{1,5}$/.test(value) ? Number(value) * 1_000 : undefined;
}
