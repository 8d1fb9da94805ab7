/** A record's header as it stands in Kafka: names may repeat, values may be null. */
export type RecordHeader = readonly [name: Buffer, value: Buffer | null];

/**
 * Headers as they stand in a Kafka record (format v2), so that they are encoded once and copied into every record that
 * has them: for each, the length of its name, the name, the length of its value (-1 for none), the value.
 */
export interface HeaderBlock {
  readonly count: number;
  readonly bytes: Buffer;
}

export const NO_HEADERS: HeaderBlock = { count: 0, bytes: Buffer.alloc(0) };

/** Headers as they were read: names may repeat, values may be null. */
export function headerBlock(headers: readonly RecordHeader[]): HeaderBlock {
  if (headers.length === 0) return NO_HEADERS;
  const parts: Buffer[] = [];
  for (const [name, value] of headers) {
    parts.push(lengthBytes(name.length), name, lengthBytes(value === null ? -1 : value.length));
    if (value !== null) parts.push(value);
  }
  return { count: headers.length, bytes: Buffer.concat(parts) };
}

/**
 * Encoded headers as text, one character per byte (latin1): joining short texts costs less than copying as many small
 * buffers, and there are seven headers for every copy. {@link blockOfTexts} makes the bytes of them.
 */
export type HeaderText = string;

export function headerText(name: string, value: string): HeaderText {
  return lengthText(name.length) + name + valueText(value);
}

/** What comes before the values of one header: for a header whose value alone changes. */
export function headerNameText(name: string): HeaderText {
  return lengthText(name.length) + name;
}

/** A value with its length. */
export function valueText(value: string): HeaderText {
  // Ids, names and times are ASCII, where a character is a byte; anything else is turned into its UTF-8 bytes.
  const bytes = NOT_ASCII.test(value) ? Buffer.from(value, "utf8").toString("latin1") : value;
  return lengthText(bytes.length) + bytes;
}
// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant.
const NOT_ASCII = /[^\x00-\x7f]/;

export function blockOfTexts(count: number, text: HeaderText): HeaderBlock {
  return { count, bytes: Buffer.from(text, "latin1") };
}

/** Two blocks, one behind the other. */
export function joined(first: HeaderBlock, second: HeaderBlock): HeaderBlock {
  return { count: first.count + second.count, bytes: Buffer.concat([first.bytes, second.bytes]) };
}

function lengthBytes(length: number): Buffer {
  return Buffer.from(lengthText(length), "latin1");
}

/** A length as Kafka's zigzag varint; a negative one stands for "none". */
function lengthText(length: number): string {
  return LENGTHS[length] ?? varintText(length < 0 ? -2 * length - 1 : 2 * length);
}

function varintText(unsigned: number): string {
  let text = "";
  let rest = unsigned;
  while (rest > 0x7f) {
    text += String.fromCharCode((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return text + String.fromCharCode(rest);
}
/** Those of nearly all names and values. */
const LENGTHS = Array.from({ length: 256 }, (_, length) => varintText(2 * length));
