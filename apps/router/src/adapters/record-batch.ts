import { crc32c } from "@platformatic/kafka";
import type { OutgoingRecord } from "../domain/ports.ts";

/** Who writes a batch, for the broker to recognise what it has already written. */
export interface BatchIdentity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** Of the batch's first record, counted per partition. */
  readonly firstSequence: number;
  readonly transactional: boolean;
}

/** Of a record batch, format v2 (https://kafka.apache.org/documentation/#recordbatch): where each field stands. */
const LENGTH_AT = 8;
const LEADER_EPOCH_AT = 12;
const MAGIC_AT = 16;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const FIRST_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const PRODUCER_ID_AT = 43;
const PRODUCER_EPOCH_AT = 51;
const FIRST_SEQUENCE_AT = 53;
const RECORD_COUNT_AT = 57;
const RECORDS_AT = 61;

const MAGIC = 2;
const TRANSACTIONAL = 1 << 4;

/**
 * The records as one batch, uncompressed. The client's own encoder makes a dozen objects for each record and joins some
 * twenty buffers; this one knows the length beforehand and writes each byte once (docs/decisions/0072).
 *
 * @param nowMs the time stamp of all of them: milliseconds since 1970.
 */
export function encodeRecordBatch(
  records: readonly { readonly record: OutgoingRecord }[],
  identity: BatchIdentity,
  nowMs: number,
): Buffer {
  let length = RECORDS_AT;
  for (let index = 0; index < records.length; index += 1) {
    const body = bodyLength((records[index] as { record: OutgoingRecord }).record, index);
    length += varintLength(body) + body;
  }
  const batch = Buffer.allocUnsafeSlow(length);
  let at = RECORDS_AT;
  for (let index = 0; index < records.length; index += 1)
    at = writeRecord(batch, at, (records[index] as { record: OutgoingRecord }).record, index);
  writeHead(batch, records.length, identity, BigInt(nowMs));
  return batch;
}

function writeHead(batch: Buffer, count: number, identity: BatchIdentity, now: bigint): void {
  batch.writeBigInt64BE(0n, 0);
  batch.writeInt32BE(batch.length - LEADER_EPOCH_AT, LENGTH_AT);
  batch.writeInt32BE(-1, LEADER_EPOCH_AT);
  batch.writeInt8(MAGIC, MAGIC_AT);
  batch.writeInt16BE(identity.transactional ? TRANSACTIONAL : 0, ATTRIBUTES_AT);
  batch.writeInt32BE(count - 1, LAST_OFFSET_DELTA_AT);
  batch.writeBigInt64BE(now, FIRST_TIMESTAMP_AT);
  batch.writeBigInt64BE(now, MAX_TIMESTAMP_AT);
  batch.writeBigInt64BE(identity.producerId, PRODUCER_ID_AT);
  batch.writeInt16BE(identity.producerEpoch, PRODUCER_EPOCH_AT);
  batch.writeInt32BE(identity.firstSequence, FIRST_SEQUENCE_AT);
  batch.writeInt32BE(count, RECORD_COUNT_AT);
  batch.writeUInt32BE(crc32c(batch.subarray(ATTRIBUTES_AT)), CRC_AT);
}

/** Attributes, time stamp delta (always 0) and offset delta, key, value, headers; without the length before them. */
function bodyLength({ key, value, own, added }: OutgoingRecord, offsetDelta: number): number {
  return (
    2 +
    varintLength(offsetDelta) +
    (key === null ? 1 : varintLength(key.length) + key.length) +
    (value === null ? 1 : varintLength(value.length) + value.length) +
    varintLength(own.count + added.count) +
    own.bytes.length +
    added.bytes.length
  );
}

function writeRecord(batch: Buffer, start: number, record: OutgoingRecord, offsetDelta: number): number {
  const { key, value, own, added } = record;
  let at = writeVarint(batch, start, bodyLength(record, offsetDelta));
  batch[at] = 0;
  batch[at + 1] = 0;
  at = writeVarint(batch, at + 2, offsetDelta);
  at = writeBytes(batch, at, key);
  at = writeBytes(batch, at, value);
  at = writeVarint(batch, at, own.count + added.count);
  if (own.count > 0) {
    batch.set(own.bytes, at);
    at += own.bytes.length;
  }
  batch.set(added.bytes, at);
  return at + added.bytes.length;
}

/** Bytes with their length before them; -1 for null, which is 1 as a zigzag varint. */
function writeBytes(batch: Buffer, start: number, bytes: Buffer | null): number {
  if (bytes === null) {
    batch[start] = 1;
    return start + 1;
  }
  const at = writeVarint(batch, start, bytes.length);
  batch.set(bytes, at);
  return at + bytes.length;
}

/** Lengths are never negative here, so zigzag only doubles them; 31 bits at most. */
function writeVarint(batch: Buffer, start: number, value: number): number {
  let rest = value * 2;
  let at = start;
  while (rest > 0x7f) {
    batch[at] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
    at += 1;
  }
  batch[at] = rest;
  return at + 1;
}

function varintLength(value: number): number {
  if (value < 1 << 6) return 1;
  if (value < 1 << 13) return 2;
  if (value < 1 << 20) return 3;
  return value < 1 << 27 ? 4 : 5;
}
