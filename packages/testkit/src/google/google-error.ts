import type { Response } from "express";

const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  429: "RESOURCE_EXHAUSTED",
  500: "INTERNAL",
  503: "UNAVAILABLE",
};

const MESSAGES: Readonly<Record<number, string>> = {
  401: "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
  403: "The caller does not have permission",
  404: "Requested entity was not found.",
  500: "Internal error encountered.",
  503: "The service is currently unavailable.",
};

/** A refusal as Google's JSON APIs send it. */
export class GoogleError extends Error {
  readonly status: number;
  readonly details: readonly unknown[];

  constructor(status: number, message?: string, details: readonly unknown[] = []) {
    super(message ?? MESSAGES[status] ?? "Unknown error.");
    this.status = status;
    this.details = details;
  }
}

/** Writes Google's error body: `{"error":{"code","message","status","details"?}}`. */
export function sendGoogleError(response: Response, error: GoogleError): void {
  response.status(error.status).json({
    error: {
      code: error.status,
      message: error.message,
      status: STATUS_NAMES[error.status] ?? "UNKNOWN",
      ...(error.details.length === 0 ? {} : { details: error.details }),
    },
  });
}

/** The answer over quota; `kind` is "Read" or "Write". */
export function quotaError(kind: "Read" | "Write", scope: "per minute per user" | "per minute"): GoogleError {
  const metric = `${kind} requests`;
  return new GoogleError(
    429,
    `Quota exceeded for quota metric '${metric}' and limit '${metric} ${scope}' of service 'sheets.googleapis.com' for consumer 'project_number:123456789012'.`,
    [
      {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        reason: "RATE_LIMIT_EXCEEDED",
        domain: "googleapis.com",
        metadata: { service: "sheets.googleapis.com", consumer: "projects/123456789012" },
      },
    ],
  );
}
