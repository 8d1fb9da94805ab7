import { type Logger, pino } from "pino";

export type { Logger } from "pino";

/** Field names whose values never reach a log, wherever they stand up to two levels deep. */
const SECRET_FIELDS = ["token", "authorization", "secret", "webhookSecret", "password", "privateKey", "settings"];

/**
 * Structured logs, one JSON line each, on standard output: `time` in ISO 8601, `level` as text, `service`.
 * @param level pino's: fatal, error, warn, info, debug, trace, silent.
 */
export function createLogger(service: string, level = "info"): Logger {
  return pino({
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: "[secret]" },
    serializers: { error: pino.stdSerializers.err, err: pino.stdSerializers.err },
  });
}
