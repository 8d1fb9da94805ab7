/** Of a record batch, format v2 (https://kafka.apache.org/documentation/#recordbatch): where each field stands. */
export const LENGTH_AT = 8;
/** The first byte that the length counts. */
export const LEADER_EPOCH_AT = 12;
export const MAGIC_AT = 16;
export const CRC_AT = 17;
/** The first byte that the checksum covers. */
export const ATTRIBUTES_AT = 21;
export const LAST_OFFSET_DELTA_AT = 23;
export const FIRST_TIMESTAMP_AT = 27;
export const MAX_TIMESTAMP_AT = 35;
export const PRODUCER_ID_AT = 43;
export const PRODUCER_EPOCH_AT = 51;
export const FIRST_SEQUENCE_AT = 53;
export const RECORD_COUNT_AT = 57;
/** Where the records begin. */
export const BATCH_HEAD_BYTES = 61;

/** Bits of the attributes. */
export const COMPRESSION = 0b111;
export const APPEND_TIME = 1 << 3;
export const TRANSACTIONAL = 1 << 4;
export const CONTROL = 1 << 5;
