import type { RecordHeader } from "./header-text.ts";
import { partitionHash } from "./murmur2.ts";
import { VarintReader, varintLength, writeVarint } from "./varint.ts";

const NONE = -1;

/**
 * Key, value and headers of a record as they stand in Kafka's format v2, in the buffer that they were fetched into:
 *
 *   key length │ key │ value length │ value │ header count │ (name length │ name │ value length │ value)*
 *   └─ start                                               └─ headersAt                               └─ end
 *
 * A copy takes these bytes over as they are. What is read of them is read when it is asked for: few records are looked at
 * as a whole, and what is made of each weighs on all others while it waits (docs/performance.md).
 */
export class RecordContent {
  /** Shared with the other records of the fetch, and never changed. */
  readonly bytes: Buffer;
  readonly start: number;
  /** Where the value begins, and how long key and value are: -1 for none. */
  readonly keyLength: number;
  readonly valueAt: number;
  readonly valueLength: number;
  readonly headerCount: number;
  readonly headersAt: number;
  readonly end: number;
  #keyHash = NONE;

  /** Reads lengths only. @throws RangeError when the bytes end too soon. */
  constructor(bytes: Buffer, start: number, end: number) {
    const reader = new VarintReader(bytes, start);
    this.bytes = bytes;
    this.start = start;
    this.keyLength = reader.length();
    reader.skip(this.keyLength);
    this.valueLength = reader.length();
    this.valueAt = reader.at;
    reader.skip(this.valueLength);
    this.headerCount = reader.length();
    this.headersAt = reader.at;
    this.end = end;
  }

  /** Encodes what was not read from Kafka. */
  static of({ key, value, headers = [] }: RecordParts): RecordContent {
    const fields = [key, value, ...headers.flat()].map((field) => ({ field, length: field?.length ?? NONE }));
    const bytes = fields.reduce((sum, { length }) => sum + varintLength(length) + Math.max(0, length), 0);
    const content = Buffer.alloc(bytes + varintLength(headers.length));
    let at = 0;
    for (const [index, { field, length }] of fields.entries()) {
      if (index === 2) at = writeVarint(content, at, headers.length);
      at = writeVarint(content, at, length);
      if (field !== null) at += field.copy(content, at);
    }
    if (headers.length === 0) writeVarint(content, at, 0);
    return new RecordContent(content, 0, content.length);
  }

  get key(): Buffer | null {
    if (this.keyLength === NONE) return null;
    const at = this.start + varintLength(this.keyLength);
    return this.bytes.subarray(at, at + this.keyLength);
  }

  get value(): Buffer | null {
    return this.valueLength === NONE ? null : this.bytes.subarray(this.valueAt, this.valueEnd);
  }

  /** Where key and value, with their lengths, end. */
  get valueEnd(): number {
    return this.valueLength === NONE ? this.valueAt : this.valueAt + this.valueLength;
  }

  headers(): RecordHeader[] {
    const headers: RecordHeader[] = [];
    const reader = new VarintReader(this.bytes, this.headersAt);
    for (let header = 0; header < this.headerCount; header += 1)
      headers.push([reader.bytesOf(reader.length()) ?? EMPTY, reader.bytesOf(reader.length())]);
    return headers;
  }

  /** Of the key, for its partition; reckoned once for all copies. -1 without a key. */
  get keyHash(): number {
    if (this.#keyHash === NONE && this.keyLength !== NONE) {
      const at = this.start + varintLength(this.keyLength);
      this.#keyHash = partitionHash(this.bytes, at, at + this.keyLength);
    }
    return this.#keyHash;
  }
}

export interface RecordParts {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: readonly RecordHeader[];
}

const EMPTY = Buffer.alloc(0);
