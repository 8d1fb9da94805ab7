import type { Answer } from "./network.ts";

/** Errors of an answer by their place, as the client's own parsers name it. */
export type Errors = Record<string, readonly [number, string | null]>;
export type Answered = (answer: Answer) => void;

export function fine(response: object): Answer {
  return { response, errors: {} };
}

/** An answer with one error code for all of it. */
export function withCode<R extends { readonly errorCode: number }>(response: R): Answer {
  return { response, errors: response.errorCode === 0 ? {} : { "/": [response.errorCode, null] } };
}

/**
 * Answers for each partition of each topic. @param path of a partition's error, from the places of its topic and itself.
 * @param answer what is said of a partition, with its error code.
 */
export function eachPartition<
  P,
  T extends { readonly name: string; readonly partitions: readonly P[] },
  A extends object,
>(
  topics: readonly T[],
  path: (topic: number, partition: number) => string,
  answer: (topic: string, partition: P) => A & { readonly errorCode: number },
): { readonly topics: { readonly name: string; readonly partitions: A[] }[]; readonly errors: Errors } {
  const errors: Errors = {};
  const answered = topics.map(({ name, partitions }, at) => ({
    name,
    partitions: partitions.map((partition, place) => {
      const given = answer(name, partition);
      if (given.errorCode !== 0) errors[path(at, place)] = [given.errorCode, null];
      return given;
    }),
  }));
  return { topics: answered, errors };
}
