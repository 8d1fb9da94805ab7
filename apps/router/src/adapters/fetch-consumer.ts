import {
  type API,
  type Callback,
  type Connection,
  Consumer,
  fetchV17,
  kGetApi,
  type Reader,
  ResponseError,
} from "@platformatic/kafka";
import type { FetchedPartition } from "./fetched-records.ts";

const FETCH = 1;
/** Brokers since 3.9 answer it; the oldest supported (docs/decisions/0072) is 4.0. */
const FETCH_VERSION = 17;

/** An answer to a fetch: each partition's part of the log stays as it is (`log`), and `records` is empty. */
export interface FetchAnswer {
  readonly responses: readonly { readonly partitions: readonly AnsweredPartition[] }[];
}

interface AnsweredPartition extends FetchedPartition {
  readonly errorCode: number;
  /** End of what committed readers may see. */
  readonly lastStableOffset: bigint;
}

/** The client's consumer, but for the records of a fetch: it would make some ten objects for each of them. */
export class FetchConsumer extends Consumer {
  override [kGetApi]<Arguments extends unknown[], Answer>(
    name: string,
    callback: Callback<API<Arguments, Answer>>,
  ): void {
    if (name === "Fetch") callback(null, fetchApi as unknown as API<Arguments, Answer>);
    else super[kGetApi](name, callback);
  }
}

/** What is asked of a partition. @param bytesMax a larger single record comes all the same. */
export function fetchRequest(partition: number, offset: number, bytesMax: number) {
  return {
    partition,
    fetchOffset: BigInt(offset),
    partitionMaxBytes: bytesMax,
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
  };
}

type FetchArguments = Parameters<typeof fetchV17.createRequest>;

const fetchApi = Object.assign(
  (connection: Connection, ...rest: [...FetchArguments, Callback<unknown>]) => {
    const callback = rest.pop() as Callback<unknown>;
    const request = rest as unknown as FetchArguments;
    connection.send(FETCH, FETCH_VERSION, () => fetchV17.createRequest(...request), readAnswer, true, true, callback);
  },
  { key: FETCH, version: FETCH_VERSION },
);

/** https://kafka.apache.org/protocol#The_Messages_Fetch; fields that nobody here asks for are left out of the answer. */
function readAnswer(_correlationId: number, apiKey: number, apiVersion: number, reader: Reader) {
  const errors: [string, [number, null]][] = [];
  const throttleTimeMs = reader.readInt32();
  const errorCode = reader.readInt16();
  if (errorCode !== 0) errors.push(["", [errorCode, null]]);
  const sessionId = reader.readInt32();
  const responses = reader.readArray((ofTopic, topic) => ({
    topicId: ofTopic.readUUID(),
    partitions: ofTopic.readArray((inner, index) => {
      const partition = readPartition(inner);
      if (partition.errorCode !== 0)
        errors.push([`/responses/${topic}/partitions/${index}`, [partition.errorCode, null]]);
      return partition;
    }),
  }));
  const answer = { throttleTimeMs, errorCode, sessionId, nodeEndpoints: [], responses };
  if (errors.length > 0) throw new ResponseError(apiKey, apiVersion, Object.fromEntries(errors), answer);
  return answer;
}

function readPartition(reader: Reader) {
  return {
    partitionIndex: reader.readInt32(),
    errorCode: reader.readInt16(),
    highWatermark: reader.readInt64(),
    lastStableOffset: reader.readInt64(),
    logStartOffset: reader.readInt64(),
    abortedTransactions: reader.readNullableArray((inner) => ({
      producerId: inner.readInt64(),
      firstOffset: inner.readInt64(),
    })),
    preferredReadReplica: reader.readInt32(),
    log: reader.readNullableBytes(),
    records: [],
  };
}
