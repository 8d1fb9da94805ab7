/** A record's header as it stands in Kafka: names may repeat, values may be null. */
export type RecordHeader = readonly [name: Buffer, value: Buffer | null];

/** Headers as they stand in a Kafka record (format v2): for each, the length of its name, the name, the length of its value, the value. */
export type HeaderBytes = Buffer;

/** The same as text, with one character per byte (latin1): joining short texts costs less than copying as many small buffers. */
export type HeaderText = string;

export function headerBytes(text: HeaderText): HeaderBytes {
  return Buffer.from(text, "latin1");
}

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

/** A length as Kafka's zigzag varint. */
export function lengthText(length: number): string {
  return LENGTHS[length] ?? varintText(2 * length);
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
