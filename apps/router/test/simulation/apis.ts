/** Names of the requests, with the one version of each that the simulated brokers know. */
const APIS = [
  [0, "Produce", 11],
  [1, "Fetch", 17],
  [2, "ListOffsets", 9],
  [3, "Metadata", 12],
  [8, "OffsetCommit", 9],
  [9, "OffsetFetch", 8],
  [10, "FindCoordinator", 6],
  [11, "JoinGroup", 9],
  [12, "Heartbeat", 4],
  [13, "LeaveGroup", 5],
  [14, "SyncGroup", 5],
  [15, "DescribeGroups", 5],
  [18, "ApiVersions", 3],
  [19, "CreateTopics", 7],
  [22, "InitProducerId", 5],
  [24, "AddPartitionsToTxn", 3],
  [25, "AddOffsetsToTxn", 4],
  [26, "EndTxn", 4],
  [28, "TxnOffsetCommit", 3],
  [32, "DescribeConfigs", 4],
] as const;

/** As brokers answer to who asks what they know. */
export const API_KEYS = APIS.map(([apiKey, name, version]) => ({
  apiKey,
  name,
  minVersion: version,
  maxVersion: version,
}));
export type ApiName = (typeof APIS)[number][1];
const NAME_OF = new Map<number, ApiName>(APIS.map(([key, name]) => [key, name]));

/** @throws when the simulated brokers know no such request. */
export function apiName(apiKey: number): ApiName {
  const name = NAME_OF.get(apiKey);
  if (name === undefined) throw new Error(`the simulated brokers know no request ${apiKey}`);
  return name;
}
