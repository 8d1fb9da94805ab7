import { Failure } from "@plugboard/contract";
import { BODY_BYTES_MAX } from "@plugboard/runtime";
import type { RequestHandler } from "express";
import express from "express";
import { Webhook } from "standardwebhooks";

/** The webhook secret: known once the plugin is registered. */
export interface SecretHolder {
  current(): string | null;
}

/**
 * Reads a call of the manager: the raw body, whose Standard-Webhooks signature must fit and be under five minutes old,
 * then as JSON. Nothing of an unsigned body is parsed.
 */
export function signedJson(secret: SecretHolder): RequestHandler[] {
  const raw = express.raw({ type: () => true, limit: BODY_BYTES_MAX });
  const verified: RequestHandler = (request, _response, next) => {
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    verify(secret, body, {
      "webhook-id": request.header("webhook-id") ?? "",
      "webhook-timestamp": request.header("webhook-timestamp") ?? "",
      "webhook-signature": request.header("webhook-signature") ?? "",
    });
    try {
      request.body = JSON.parse(body.toString("utf8"));
    } catch (error) {
      throw new Failure("invalid-json", (error as Error).message);
    }
    next();
  };
  return [raw, verified];
}

function verify(secret: SecretHolder, body: Buffer, headers: Record<string, string>): void {
  const current = secret.current();
  if (current === null) throw new Failure("unavailable", "the plugin is not registered yet, so it knows no secret");
  try {
    new Webhook(current).verify(body, headers, { jsonParse: false });
  } catch (error) {
    throw new Failure("signature-invalid", (error as Error).message);
  }
}
