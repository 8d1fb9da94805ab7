import { crc32c, Reader, type RecordsBatch, readRecordsBatch, Writer } from "@platformatic/kafka";
import { ATTRIBUTES_AT, CRC_AT } from "../../src/domain/batch-format.ts";

/** The requests that carry records, as brokers read and answer them: https://kafka.apache.org/protocol */
export interface ProducedBatch {
  readonly index: number;
  /** Null when its bytes are not what its checksum says. */
  readonly batch: RecordsBatch | null;
  readonly bytes: Buffer;
}

export interface Produced {
  readonly transactionalId: string | null;
  readonly topics: readonly { readonly name: string; readonly parts: readonly ProducedBatch[] }[];
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
    readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: number }[];
    readonly log: Buffer;
  }[];
}

/** transactional_id acks timeout_ms [topic [partition records]] */
export function readProduce(request: Buffer): Produced {
  const reader = Reader.from(request);
  const transactionalId = reader.readNullableString();
  if (reader.readInt16() !== -1) throw new Error("a router must ask for all replicas' acknowledgement");
  reader.readInt32();
  const topics = reader.readArray((ofTopics) => ({
    name: ofTopics.readString(),
    parts: ofTopics.readArray((ofParts) => {
      const index = ofParts.readInt32();
      const size = ofParts.readUnsignedVarInt() - 1;
      const bytes = Buffer.from(request.subarray(ofParts.position, ofParts.position + size));
      ofParts.skip(size);
      const isWhole = crc32c(bytes.subarray(ATTRIBUTES_AT)) === bytes.readUInt32BE(CRC_AT);
      return { index, batch: isWhole ? readRecordsBatch(Reader.from(bytes)) : null, bytes };
    }),
  }));
  return { transactionalId: transactionalId ?? null, topics };
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
      writer.appendUUID(topicId).appendArray([...partitions], (inner, { index, errorCode, end, aborted, log }) => {
        inner.appendInt32(index).appendInt16(errorCode);
        inner.appendInt64(BigInt(end)).appendInt64(BigInt(end)).appendInt64(0n);
        inner.appendArray([...aborted], (list, { producerId, firstOffset }) => {
          list.appendInt64(producerId).appendInt64(BigInt(firstOffset));
        });
        inner.appendInt32(-1);
        inner.appendUnsignedVarInt(log.length + 1);
        if (log.length > 0) inner.append(log);
      });
    })
    .appendTaggedFields().buffer;
}
