import {
  APPEND_TIME,
  ATTRIBUTES_AT,
  BATCH_HEAD_BYTES,
  COMPRESSION,
  CONTROL,
  FIRST_TIMESTAMP_AT,
  LAST_OFFSET_DELTA_AT,
  LEADER_EPOCH_AT,
  LENGTH_AT,
  MAX_TIMESTAMP_AT,
  PRODUCER_ID_AT,
  RECORD_COUNT_AT,
  TRANSACTIONAL,
} from "./batch-format.ts";
import type { SourceRecord } from "./ports.ts";
import { RecordContent } from "./record-content.ts";
import { VarintReader } from "./varint.ts";

/** Memory a record needs beside its bytes, with what is made of it until it is written, about. */
const RECORD_OBJECT_BYTES = 256;

/** Turns the records of a compressed batch into what they were. @param codec the batch's lowest three attribute bits. */
export type Decompress = (codec: number, records: Buffer) => Buffer;

/** A batch of a partition's log, as it was fetched. Its records are read when they are routed, not while they wait. */
export class LogBatch {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly records: number;
  readonly producerId: bigint;
  readonly isControl: boolean;
  readonly isTransactional: boolean;
  /** Memory that it holds. */
  readonly bytes: number;
  readonly #buffer: Buffer;
  readonly #recordsAt: number;
  readonly #firstTimestampMs: number;
  /** Where the broker's clock stamps the records: the same for all. */
  readonly #appendedAtMs: number | null;

  constructor(fetched: Buffer, start: number, decompress: Decompress) {
    const attributes = fetched.readInt16BE(start + ATTRIBUTES_AT);
    this.firstOffset = readLong(fetched, start);
    this.lastOffset = this.firstOffset + fetched.readInt32BE(start + LAST_OFFSET_DELTA_AT);
    this.records = fetched.readInt32BE(start + RECORD_COUNT_AT);
    this.producerId = fetched.readBigInt64BE(start + PRODUCER_ID_AT);
    this.isControl = (attributes & CONTROL) !== 0;
    this.isTransactional = (attributes & TRANSACTIONAL) !== 0;
    this.#firstTimestampMs = readLong(fetched, start + FIRST_TIMESTAMP_AT);
    this.#appendedAtMs = (attributes & APPEND_TIME) === 0 ? null : readLong(fetched, start + MAX_TIMESTAMP_AT);
    const end = start + batchBytes(fetched, start);
    const codec = attributes & COMPRESSION;
    this.#buffer = codec === 0 ? fetched : decompress(codec, fetched.subarray(start + BATCH_HEAD_BYTES, end));
    this.#recordsAt = codec === 0 ? start + BATCH_HEAD_BYTES : 0;
    this.bytes = (codec === 0 ? end - this.#recordsAt : this.#buffer.length) + this.records * RECORD_OBJECT_BYTES;
  }

  /** A control record's key is version and type; type 0 is abort, 1 is commit. */
  get isAbortMarker(): boolean {
    const [marker] = this.isControl ? this.read(0, this.firstOffset) : [];
    return marker?.content.key?.readInt16BE(2) === 0;
  }

  /** When its first record was made, or appended. */
  get timestampMs(): number {
    return this.#appendedAtMs ?? this.#firstTimestampMs;
  }

  /** @param from records before it are left out: a batch may begin before the offset that was asked for. */
  read(partition: number, from: number, into: SourceRecord[] = []): SourceRecord[] {
    const reader = new VarintReader(this.#buffer, this.#recordsAt);
    for (let left = this.records; left > 0; left -= 1) {
      const length = reader.length();
      const end = reader.at + length;
      // The record's attributes: none are in use.
      reader.skip(1);
      const timestampMs = this.#firstTimestampMs + reader.long();
      const offset = this.firstOffset + reader.length();
      if (offset >= from) {
        const content = new RecordContent(this.#buffer, reader.at, end);
        into.push({ partition, offset, timestampMs: this.#appendedAtMs ?? timestampMs, content });
      }
      reader.at = end;
    }
    return into;
  }
}

/** The batches of a fetched stretch of log; the last one may be cut off, and is left out then. */
export function logBatches(fetched: Buffer, decompress: Decompress): LogBatch[] {
  const batches: LogBatch[] = [];
  let at = 0;
  while (fetched.length - at >= LEADER_EPOCH_AT && fetched.length - at >= batchBytes(fetched, at)) {
    batches.push(new LogBatch(fetched, at, decompress));
    at += batchBytes(fetched, at);
  }
  return batches;
}

function batchBytes(fetched: Buffer, start: number): number {
  return LEADER_EPOCH_AT + fetched.readInt32BE(start + LENGTH_AT);
}

/** 64 bits, as a number: offsets and milliseconds are exact in it. */
function readLong(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
}
