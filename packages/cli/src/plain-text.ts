/** Characters that a terminal obeys instead of showing; line breaks and tabs among them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** Others' text as it may be shown in a terminal: one line, no control characters, at most so many characters. */
export function plainText(text: string, charactersMax = Number.POSITIVE_INFINITY): string {
  const plain = text.replaceAll(CONTROL, " ");
  return plain.length <= charactersMax ? plain : `${plain.slice(0, charactersMax - 1)}…`;
}
