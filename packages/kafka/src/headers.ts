import type { HeaderReader } from "@plugboard/contract";
import type { IHeaders } from "kafkajs";

/** Reads kafkajs headers as text; of a repeated header, the last one counts (as in Java's `lastHeader`). */
export function headerReader(headers: IHeaders | undefined): HeaderReader {
  return (name) => {
    const value = headers?.[name];
    const last = Array.isArray(value) ? value.at(-1) : value;
    // Kafka allows a header without a value, which kafkajs's types do not know.
    return last?.toString();
  };
}
