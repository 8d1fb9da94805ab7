import { type ProduceResult, protocolErrorsCodesById, ResponseError } from "@platformatic/kafka";

/** What the brokers said of each partition of one send. */
export interface ProduceAnswer {
  /** `topic/partition` of those acknowledged. */
  readonly acknowledged: ReadonlySet<string>;
  /** `topic/partition` → the broker's error, of those that were answered with one. */
  readonly refused: ReadonlyMap<string, Refusal>;
}

interface Refusal {
  readonly code: number;
  readonly why: string;
}

/** Kafka's error codes that are treated in a way of their own. */
export const MESSAGE_TOO_LARGE = 10;
const DUPLICATE_SEQUENCE_NUMBER = 46;

interface ProduceResponse {
  readonly responses?: readonly {
    readonly name: string;
    readonly partitionResponses: readonly {
      readonly index: number;
      readonly errorCode: number;
      readonly errorMessage: string | null;
    }[];
  }[];
}

export function partitionKey(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

/** Of a send that resolved: the partitions it names. One that was sent and is not named was not acknowledged. */
export function answerOfSuccess(result: ProduceResult): ProduceAnswer {
  const acknowledged = new Set<string>();
  for (const { topic, partition } of result.offsets ?? []) acknowledged.add(partitionKey(topic, partition));
  return { acknowledged, refused: new Map() };
}

/**
 * Of a send that failed: brokers that answered named each partition's result, and that is in the error, deep inside;
 * what nobody answered for is missing here.
 */
export function answerOfFailure(error: unknown): ProduceAnswer {
  const acknowledged = new Set<string>();
  const refused = new Map<string, Refusal>();
  const visit = (inner: unknown) => {
    if (inner instanceof ResponseError) {
      for (const { name, partitionResponses } of (inner.response as ProduceResponse | undefined)?.responses ?? []) {
        for (const { index, errorCode, errorMessage } of partitionResponses ?? []) {
          const key = partitionKey(name, index);
          // A duplicate is what an earlier attempt wrote whose answer was lost.
          if (errorCode === 0 || errorCode === DUPLICATE_SEQUENCE_NUMBER) acknowledged.add(key);
          else refused.set(key, { code: errorCode, why: errorMessage ?? nameOf(errorCode) });
        }
      }
    } else if (inner instanceof AggregateError) for (const part of inner.errors) visit(part);
  };
  visit(error);
  const produced = (error as { produced?: ProduceResult }).produced;
  for (const { topic, partition } of produced?.offsets ?? []) acknowledged.add(partitionKey(topic, partition));
  // Attempts follow one another in the error: a partition acknowledged in any of them is written.
  for (const key of acknowledged) refused.delete(key);
  return { acknowledged, refused };
}

function nameOf(code: number): string {
  return (protocolErrorsCodesById as Record<number, string>)[code] ?? `error code ${code}`;
}
