import { uniqueName } from "@plugboard/stack";
import { TopicReader } from "../../apps/router/src/adapters/topic-reader.ts";
import type { SourceRecord } from "../../apps/router/src/domain/ports.ts";
import type { Installation } from "./installation.ts";

const READ_MS = 180_000;

/**
 * Reads a topic from its beginning to where it ends now, as a read_committed consumer sees it, each record once. Not with
 * kafkajs: it takes the broker's list of aborted transactions to be in the order of their beginnings. Where transactions of
 * several routers overlap it is not, and kafkajs shows what was aborted: copies twice that are there once.
 */
export async function readTopic(
  { kafkaCluster }: Pick<Installation, "kafkaCluster">,
  topic: string,
  partitions: number,
): Promise<SourceRecord[]> {
  const kafka = { KAFKA_BROKERS: [...kafkaCluster.addresses], KAFKA_TLS: false };
  const reader = new TopicReader({ kafka, groupId: uniqueName("history"), topic });
  const deadline = performance.now() + READ_MS;
  const records: SourceRecord[] = [];
  try {
    for (let partition = 0; partition < partitions; partition += 1) {
      let offset = await reader.first(partition);
      for (let end = Number.POSITIVE_INFINITY; offset < end; ) {
        if (performance.now() > deadline) throw new Error(`${topic} is not read within ${READ_MS} ms`);
        const read = await reader.read(partition, offset);
        if (read.kind !== "records") throw new Error(`${topic}/${partition} is not what it was: ${read.kind}`);
        records.push(...read.records);
        offset = read.next;
        end = read.end;
      }
    }
    return records;
  } finally {
    await reader.close();
  }
}

/** The last value of a header as text. */
export function headerText({ content }: SourceRecord, name: string): string | undefined {
  return content
    .headers()
    .findLast(([header]) => header.toString() === name)?.[1]
    ?.toString();
}
