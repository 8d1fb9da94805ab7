/** Postgres keeps neither NUL nor half a surrogate pair in text; a plugin's message is not worth losing for one. */
export function storableText(text: string): string {
  return text.replaceAll("\0", "").toWellFormed();
}
