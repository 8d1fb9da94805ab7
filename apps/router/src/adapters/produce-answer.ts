import { type produceV11, protocolErrorsCodesById } from "@platformatic/kafka";

/** What became of one partition's batch. Unknown: nobody answered, so it may be written or not. */
export type PartAnswer =
  | { readonly kind: "acknowledged" }
  | { readonly kind: "refused"; readonly code: number; readonly why: string }
  | { readonly kind: "unknown"; readonly error: Error };

/** Kafka's error codes that are treated in a way of their own. */
export const MESSAGE_TOO_LARGE = 10;
const DUPLICATE_SEQUENCE_NUMBER = 46;
const NOT_ENOUGH_REPLICAS = 19;
/** What a broker says with {@link NOT_ENOUGH_REPLICAS} when the transaction's coordinator, and not the partition, was away. */
const UNVERIFIED = "Unable to verify the partition has been added to the transaction";

const ACKNOWLEDGED: PartAnswer = { kind: "acknowledged" };

/** A partition that was sent and is not named in the answer was not acknowledged. */
export function readAnswer(response: produceV11.ProduceResponse | Error, topic: string, partition: number): PartAnswer {
  if (response instanceof Error) return { kind: "unknown", error: response };
  const named = response.responses
    .find(({ name }) => name === topic)
    ?.partitionResponses.find(({ index }) => index === partition);
  if (named === undefined) return { kind: "unknown", error: new Error(`no acknowledgement of ${topic}/${partition}`) };
  // A duplicate is what an earlier attempt wrote whose answer was lost.
  if (named.errorCode === 0 || named.errorCode === DUPLICATE_SEQUENCE_NUMBER) return ACKNOWLEDGED;
  const why = named.errorMessage ?? nameOf(named.errorCode);
  // Not the topic's fault: as a refusal, it would have the copies of topics that are well parked.
  if (named.errorCode === NOT_ENOUGH_REPLICAS && why.startsWith(UNVERIFIED))
    return { kind: "unknown", error: new Error(why) };
  return { kind: "refused", code: named.errorCode, why };
}

function nameOf(code: number): string {
  return (protocolErrorsCodesById as Record<number, string>)[code] ?? `error code ${code}`;
}
