/** Reads Kafka's varints: zigzag, seven bits to a byte, the lowest first. */
export class VarintReader {
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  /** A length or a delta of 32 bits; -1 stands for "none". @throws RangeError behind the end of the bytes. */
  length(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.at] as number;
    // Nearly all lengths are of one or two bytes.
    if (byte < 0x80) {
      this.at += 1;
      return (byte >>> 1) ^ -(byte & 1);
    }
    let unsigned = byte & 0x7f;
    let at = this.at + 1;
    for (let shift = 7; ; shift += 7) {
      byte = bytes[at] as number;
      if (byte === undefined || shift > 28) throw new RangeError(`no varint at ${this.at} of ${bytes.length} bytes`);
      at += 1;
      unsigned |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    this.at = at;
    return (unsigned >>> 1) ^ -(unsigned & 1);
  }

  /** A delta of up to 64 bits, as a number: exact as far as numbers are. */
  long(): number {
    let unsigned = 0;
    let scale = 1;
    for (;;) {
      const byte = this.#bytes[this.at];
      if (byte === undefined) throw new RangeError(`no varint at ${this.at} of ${this.#bytes.length} bytes`);
      this.at += 1;
      unsigned += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 128;
    }
    return unsigned % 2 === 0 ? unsigned / 2 : -(unsigned + 1) / 2;
  }

  /** Passes bytes; none when the length is that of "none". */
  skip(length: number): void {
    if (length > 0) this.at += length;
    if (this.at > this.#bytes.length) throw new RangeError(`${this.#bytes.length} bytes end before ${this.at}`);
  }

  /** The bytes of a length, not copied; null when there are none. */
  bytesOf(length: number): Buffer | null {
    if (length < 0) return null;
    const start = this.at;
    this.skip(length);
    return this.#bytes.subarray(start, start + length);
  }
}

/** Bytes of a length as a varint; -1 stands for "none". */
export function varintLength(value: number): number {
  if (value < 1 << 6) return 1;
  if (value < 1 << 13) return 2;
  if (value < 1 << 20) return 3;
  return value < 1 << 27 ? 4 : 5;
}

/** Writes a length (-1 for "none"). @returns where to go on. */
export function writeVarint(bytes: Buffer, start: number, value: number): number {
  let rest = value < 0 ? 1 : value * 2;
  let at = start;
  while (rest > 0x7f) {
    bytes[at] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
    at += 1;
  }
  bytes[at] = rest;
  return at + 1;
}
