import { DEAD_LETTER_HEADER } from "@plugboard/contract";
import { type Admin, DAY_MS, DERIVED_MESSAGE_BYTES_MAX, ensureTopics, type SafeProducer } from "@plugboard/kafka";
import type { Clock } from "@plugboard/runtime";
import type { FailedAttempt, Verdict } from "../store/taken-entry.ts";
import type { RecordCopy } from "./received.ts";

export interface DeadLetterParts {
  readonly topic: string;
  readonly producer: Pick<SafeProducer, "send">;
  readonly admin: Admin;
  readonly clock: Clock;
}

const RETENTION_MS = 30 * DAY_MS;
/** Room for the headers added here. */
const HEADER_BYTES_MAX = 16 * 1024;
const DETAIL_LENGTH_MAX = 1_000;

/** Writes dead letters: the record as it was read, with why and what was tried in headers. */
export class DeadLetters {
  readonly #parts: DeadLetterParts;
  #ensured: Promise<unknown> | null = null;

  constructor(parts: DeadLetterParts) {
    this.#parts = parts;
  }

  /** Resolves when the dead letter is acknowledged. The topic is created on first use. */
  async write(record: RecordCopy, verdict: Verdict, history: readonly FailedAttempt[]): Promise<void> {
    try {
      this.#ensured ??= this.#ensure();
      await this.#ensured;
      await this.#parts.producer.send(this.#parts.topic, [
        { key: record.key, value: record.value, headers: this.#headers(record, verdict, history) },
      ]);
    } catch (error) {
      this.#ensured = null;
      throw error;
    }
  }

  async #ensure(): Promise<void> {
    await ensureTopics(this.#parts.admin, [
      {
        topic: this.#parts.topic,
        partitions: 1,
        retentionMs: RETENTION_MS,
        messageBytesMax: DERIVED_MESSAGE_BYTES_MAX + HEADER_BYTES_MAX,
      },
    ]);
  }

  #headers(record: RecordCopy, verdict: Verdict, history: readonly FailedAttempt[]): Record<string, Buffer[]> {
    // Without a prototype: a record may have a header named `constructor`.
    const headers: Record<string, Buffer[]> = Object.create(null);
    for (const [name, value] of record.headers) headers[name] = [...(headers[name] ?? []), value];
    headers[DEAD_LETTER_HEADER.origin] ??= [Buffer.from(record.readFrom)];
    const added: Record<string, string> = {
      [DEAD_LETTER_HEADER.reason]: verdict.reason,
      [DEAD_LETTER_HEADER.detail]: verdict.detail.slice(0, DETAIL_LENGTH_MAX),
      [DEAD_LETTER_HEADER.at]: new Date(this.#parts.clock.now()).toISOString(),
      [DEAD_LETTER_HEADER.attempts]: String(verdict.attempts),
      [DEAD_LETTER_HEADER.history]: historyText(history),
    };
    for (const [name, value] of Object.entries(added)) headers[name] = [Buffer.from(value)];
    return headers;
  }
}

const HISTORY_REASON_LENGTH_MAX = 200;

/** At most 20 entries of at most 200 characters of reason each, so under 8 KiB for most alphabets. */
function historyText(history: readonly FailedAttempt[]): string {
  return JSON.stringify(
    history.map(({ attempt, at, reason }) => ({ attempt, at, reason: reason.slice(0, HISTORY_REASON_LENGTH_MAX) })),
  );
}
