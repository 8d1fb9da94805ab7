import { crc32c, Reader, type RecordsBatch, readRecordsBatch, Writer } from "@platformatic/kafka";

/** The requests that carry records, as brokers read and answer them: https://kafka.apache.org/protocol */
export interface ProducedTopic {
  readonly name: string;
  /** Without a batch when its bytes are not what its checksum says. */
  readonly parts: readonly { readonly index: number; readonly batch: RecordsBatch | null; readonly size: number }[];
}

export interface ProducedAnswer {
  readonly name: string;
  readonly parts: readonly { readonly index: number; readonly errorCode: number }[];
}

export interface FetchedTopic {
  readonly topicId: string;
  readonly partitions: readonly { readonly index: number; readonly offset: number }[];
}

export interface FetchedAnswer {
  readonly topicId: string;
  readonly partitions: readonly {
    readonly index: number;
    readonly errorCode: number;
    readonly end: number;
    readonly log: Buffer;
  }[];
}

/** Where a batch has its checksum, and from where on that holds. */
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;

/** transactional_id acks timeout_ms [topic [partition records]] */
export function readProduce(bytes: Buffer): ProducedTopic[] {
  const reader = Reader.from(bytes);
  reader.readNullableString();
  if (reader.readInt16() !== -1) throw new Error("a router must ask for all replicas' acknowledgement");
  reader.readInt32();
  return reader.readArray((ofTopics) => ({
    name: ofTopics.readString(),
    parts: ofTopics.readArray((ofParts) => {
      const index = ofParts.readInt32();
      const size = ofParts.readUnsignedVarInt() - 1;
      const stored = Buffer.from(bytes.subarray(ofParts.position, ofParts.position + size));
      ofParts.skip(size);
      const isWhole = crc32c(stored.subarray(ATTRIBUTES_AT)) === stored.readUInt32BE(CRC_AT);
      return { index, batch: isWhole ? readRecordsBatch(Reader.from(stored)) : null, size };
    }),
  }));
}

export function writeProduced(topics: readonly ProducedAnswer[]): Buffer {
  return Writer.create()
    .appendArray([...topics], (writer, { name, parts }) => {
      writer.appendString(name).appendArray([...parts], (inner, { index, errorCode }) => {
        inner.appendInt32(index).appendInt16(errorCode).appendInt64(0n).appendInt64(-1n).appendInt64(0n);
        inner.appendArray([], () => {}).appendString(null);
      });
    })
    .appendInt32(0)
    .appendTaggedFields().buffer;
}

/** max_wait_ms min_bytes max_bytes isolation_level session_id session_epoch [topic_id [partition …]] … */
export function readFetch(bytes: Buffer): { readonly waitMs: number; readonly topics: FetchedTopic[] } {
  const reader = Reader.from(bytes);
  const waitMs = reader.readInt32();
  reader.skip(8);
  if (reader.readInt8() !== 1) throw new Error("a router must read what is committed, and nothing else");
  reader.skip(8);
  const topics = reader.readArray((ofTopics) => ({
    topicId: ofTopics.readUUID(),
    partitions: ofTopics.readArray((ofPartitions) => {
      const index = ofPartitions.readInt32();
      ofPartitions.skip(4);
      const offset = Number(ofPartitions.readInt64());
      ofPartitions.skip(16);
      return { index, offset };
    }),
  }));
  return { waitMs, topics };
}

export function writeFetched(topics: readonly FetchedAnswer[]): Buffer {
  return Writer.create()
    .appendInt32(0)
    .appendInt16(0)
    .appendInt32(0)
    .appendArray([...topics], (writer, { topicId, partitions }) => {
      writer.appendUUID(topicId).appendArray([...partitions], (inner, { index, errorCode, end, log }) => {
        inner.appendInt32(index).appendInt16(errorCode);
        inner.appendInt64(BigInt(end)).appendInt64(BigInt(end)).appendInt64(0n);
        inner.appendArray(null, () => {}).appendInt32(-1);
        inner.appendUnsignedVarInt(log.length + 1);
        if (log.length > 0) inner.append(log);
      });
    })
    .appendTaggedFields().buffer;
}
