import { Writer } from "@platformatic/kafka";
import {
  ATTRIBUTES_AT,
  BATCH_HEAD_BYTES,
  CONTROL,
  LEADER_EPOCH_AT,
  LENGTH_AT,
  MAGIC_AT,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  RECORD_COUNT_AT,
  TRANSACTIONAL,
} from "../../src/domain/batch-format.ts";

const ABORT = 0;
const COMMIT = 1;

/** The mark that ends a producer's transaction in a partition: https://kafka.apache.org/documentation/#controlbatch */
export function controlBatch(offset: number, producerId: bigint, epoch: number, committed: boolean): Buffer {
  const record = Writer.create()
    .appendInt8(0)
    .appendVarInt64(0n)
    .appendVarInt(0)
    .appendVarInt(4)
    .appendInt16(0)
    .appendInt16(committed ? COMMIT : ABORT)
    .appendVarInt(6)
    .appendInt16(0)
    .appendInt32(0)
    .appendVarInt(0).buffer;
  const length = Writer.create().appendVarInt(record.length).buffer;
  const bytes = Buffer.concat([Buffer.alloc(BATCH_HEAD_BYTES), length, record]);
  bytes.writeBigInt64BE(BigInt(offset), 0);
  bytes.writeInt32BE(bytes.length - LEADER_EPOCH_AT, LENGTH_AT);
  bytes.writeInt8(2, MAGIC_AT);
  bytes.writeInt16BE(TRANSACTIONAL | CONTROL, ATTRIBUTES_AT);
  bytes.writeBigInt64BE(producerId, PRODUCER_ID_AT);
  bytes.writeInt16BE(epoch, PRODUCER_EPOCH_AT);
  bytes.writeInt32BE(1, RECORD_COUNT_AT);
  return bytes;
}
