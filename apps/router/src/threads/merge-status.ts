import { LANES } from "@plugboard/contract";
import type { RouterStatus } from "../domain/router-status.ts";

/**
 * What several threads tell of themselves, as one router: counts added up, the worst of what is a state.
 * @param statuses of the threads in their order, at least one.
 */
export function mergeStatus(statuses: readonly RouterStatus[]): RouterStatus {
  const [first] = statuses;
  if (first === undefined) throw new Error("there is no thread to tell of");
  const sum = (pick: (status: RouterStatus) => number) => sumOf(statuses, pick);
  const partitions = statuses.flatMap(({ group }) => group.partitions);
  return {
    ...first,
    health: mergeHealth(statuses.map(({ health }) => health)),
    group: {
      ...first.group,
      memberIds: statuses.flatMap(({ group }) => group.memberIds),
      generation: largest(statuses.map(({ group }) => group.generation)),
      topicPartitions: largest(statuses.map(({ group }) => group.topicPartitions)),
      lagRecords: sum(({ group }) => group.lagRecords),
      partitions: partitions.toSorted((one, other) => one.partition - other.partition),
    },
    throughput: mergeThroughput(statuses),
    inFlight: { bytes: sum(({ inFlight }) => inFlight.bytes), limitBytes: sum(({ inFlight }) => inFlight.limitBytes) },
    plugins: mergePlugins(statuses),
    quotas: {
      routes: sum(({ quotas }) => quotas.routes),
      usedUp: statuses.flatMap(({ quotas }) => quotas.usedUp),
    },
    unwritable: longestByTopic(statuses.flatMap(({ unwritable }) => unwritable)),
    parked: [
      ...Map.groupBy(
        statuses.flatMap(({ parked }) => parked),
        ({ topic }) => topic,
      ),
    ].map(([topic, all]) => ({
      topic,
      copies: sumOf(all, ({ copies }) => copies),
    })),
    table: {
      ...first.table,
      seq: Math.min(...statuses.map(({ table }) => table.seq)),
      stalenessSeconds: statuses.some(({ table }) => table.stalenessSeconds === null)
        ? null
        : largest(statuses.map(({ table }) => table.stalenessSeconds)),
      entries: sum(({ table }) => table.entries),
      hits: sum(({ table }) => table.hits),
      misses: sum(({ table }) => table.misses),
      resets: sum(({ table }) => table.resets),
    },
    trouble: {
      rewinds: sum(({ trouble }) => trouble.rewinds),
      produceFailures: sum(({ trouble }) => trouble.produceFailures),
      offsetsLost: sum(({ trouble }) => trouble.offsetsLost),
      malformed: sum(({ trouble }) => trouble.malformed),
      filterErrors: sum(({ trouble }) => trouble.filterErrors),
    },
  };
}

/** A check passes when it does in every thread; else its problem is that of the first in which it does not, with which. */
export function mergeHealth(reports: readonly RouterStatus["health"][]): RouterStatus["health"] {
  const checks = (reports[0]?.checks ?? []).map(({ name, critical }) => {
    const problems = reports.map(({ checks }) => checks.find((check) => check.name === name)?.problem ?? null);
    const thread = problems.findIndex((problem) => problem !== null);
    return { name, critical, problem: thread === -1 ? null : `thread ${thread}: ${problems[thread]}` };
  });
  return { ready: reports.every(({ ready }) => ready), checks };
}

function mergeThroughput(statuses: readonly RouterStatus[]): RouterStatus["throughput"] {
  const all = statuses.flatMap(({ throughput }) => throughput ?? []);
  if (all.length < statuses.length) return null;
  return {
    overSeconds: largest(all.map(({ overSeconds }) => overSeconds)) ?? 0,
    recordsPerSecond: sumOf(all, ({ recordsPerSecond }) => recordsPerSecond),
    copiesPerSecond: sumOf(all, ({ copiesPerSecond }) => copiesPerSecond),
  };
}

function mergePlugins(statuses: readonly RouterStatus[]): RouterStatus["plugins"] {
  const byPlugin = Map.groupBy(
    statuses.flatMap(({ plugins }) => plugins),
    ({ plugin }) => plugin,
  );
  return [...byPlugin]
    .map(([plugin, all]) => ({
      plugin,
      copies: Object.fromEntries(
        LANES.map((lane) => [lane, sumOf(all, ({ copies }) => copies[lane])]),
      ) as RouterStatus["plugins"][number]["copies"],
      overQuota: sumOf(all, ({ overQuota }) => overQuota),
    }))
    .toSorted((one, other) => one.plugin.localeCompare(other.plugin, "en"));
}

function longestByTopic(unwritable: RouterStatus["unwritable"]): RouterStatus["unwritable"] {
  const longest = new Map<string, RouterStatus["unwritable"][number]>();
  for (const one of unwritable)
    if (one.forSeconds > (longest.get(one.topic)?.forSeconds ?? -1)) longest.set(one.topic, one);
  return [...longest.values()];
}

function sumOf<T>(items: readonly T[], pick: (item: T) => number): number {
  return items.reduce((total, item) => total + pick(item), 0);
}

function largest(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}
