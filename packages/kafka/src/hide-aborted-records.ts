import { createRequire } from "node:module";

/** A record as kafkajs decodes it, as far as this matters. Offsets and producers' ids are decimal digits. */
export interface DecodedRecord {
  readonly offset: string;
  /** Set for the marks that end transactions, which kafkajs shows nobody. */
  isControlRecord?: boolean;
  readonly batchContext?: { readonly producerId: string; readonly inTransaction: boolean };
}

/** A transaction that was aborted, as brokers list them to committed readers. */
export interface AbortedTransaction {
  readonly producerId: string;
  readonly firstOffset: string;
}

interface DecodedPartition {
  messages: DecodedRecord[];
  abortedTransactions: AbortedTransaction[] | null;
}

interface FetchResponse {
  decode(raw: unknown): Promise<{ responses: { partitions: DecodedPartition[] }[] }>;
}

interface FetchProtocol {
  readonly versions: readonly string[];
  protocol(of: { version: string }): (request: { topics: never[] }) => { readonly response: FetchResponse };
}

/** The first version of Fetch that knows transactions. */
const TRANSACTIONS_SINCE = 4;
const FETCH_MODULE = "kafkajs/src/protocol/requests/fetch";

const corrected = new WeakSet<FetchResponse>();

/**
 * Has kafkajs's consumers leave out every record of aborted transactions. By itself kafkajs 2.2.4 shows some: it takes the
 * broker's list of aborted transactions in the order in which they ended, one at each record, and takes an ordinary record whose key is four
 * zero bytes for the end of one. See docs/decisions/0110.
 *
 * What a fetch brought is corrected as it is decoded: the records to leave out are marked as the transactions' own marks are, so
 * that kafkajs goes on counting their offsets. Doing it again is harmless.
 * @throws when kafkajs is not built as expected: rather no consumer than one that shows what was aborted.
 */
export function hideAbortedRecords(): void {
  const fetch = createRequire(import.meta.url)(FETCH_MODULE) as FetchProtocol;
  const versions = fetch.versions.filter((version) => Number(version) >= TRANSACTIONS_SINCE);
  if (versions.length === 0) throw new Error("kafkajs fetches in another way than expected");
  for (const version of versions) correct(fetch.protocol({ version })({ topics: [] }).response);
}

function correct(response: FetchResponse): void {
  if (corrected.has(response)) return;
  const { decode } = response;
  response.decode = async (raw) => {
    const decoded = await decode(raw);
    for (const { partitions } of decoded.responses) for (const partition of partitions) leaveOutAborted(partition);
    return decoded;
  };
  corrected.add(response);
}

function leaveOutAborted(partition: DecodedPartition): void {
  const { messages, abortedTransactions } = partition;
  if (abortedTransactions === null || abortedTransactions.length === 0) return;
  for (const record of abortedAmong(messages, abortedTransactions)) record.isControlRecord = true;
  // Nothing is left for kafkajs's own filter to decide.
  partition.abortedTransactions = [];
}

/**
 * Which records belong to the transactions that were aborted. A transaction begins at its first offset, and ends with the
 * next mark of its producer, who has one at a time. Transactions of several producers may overlap in any way.
 * @param records in the order of their offsets.
 * @param transactions in any order.
 */
export function abortedAmong<One extends DecodedRecord>(
  records: readonly One[],
  transactions: readonly AbortedTransaction[],
): One[] {
  const upcoming = transactions
    .map(({ producerId, firstOffset }) => ({ producerId, firstOffset: BigInt(firstOffset) }))
    .sort((one, other) => (one.firstOffset < other.firstOffset ? -1 : 1));
  const aborting = new Set<string>();
  const aborted: One[] = [];
  let next = 0;
  for (const record of records) {
    const offset = BigInt(record.offset);
    for (let begun = upcoming[next]; begun !== undefined && begun.firstOffset <= offset; begun = upcoming[next]) {
      aborting.add(begun.producerId);
      next += 1;
    }
    const { producerId, inTransaction } = record.batchContext ?? { producerId: "", inTransaction: false };
    if (record.isControlRecord === true) aborting.delete(producerId);
    else if (inTransaction && aborting.has(producerId)) aborted.push(record);
  }
  return aborted;
}
