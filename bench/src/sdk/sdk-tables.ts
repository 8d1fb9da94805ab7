import { decimal, type Grid, megabytes, rangeText, ratioText, thousands } from "../grid.ts";
import type { Result } from "../result.ts";
import { ratioOf, spreadOf } from "../summary.ts";
import { type ConsumerKind, OVERHEAD_CONSUMERS, SINK_CONSUMERS } from "./consumers.ts";
import type { ConsumerRun, ConsumerSet } from "./sdk-result.ts";

/** What each consumer is compared with, by its id. */
const PEERS = {
  overhead: [
    { id: "kafkajs-each-message", title: "× eachMessage" },
    { id: "kafkajs-each-batch", title: "× eachBatch" },
    { id: "sdk-none", title: "× SDK without identity" },
  ],
  sink: [
    { id: "kafkajs-each-message", title: "× one at a time by hand" },
    { id: "kafkajs-p-queue", title: "× p-queue" },
    { id: "kafkajs-p-queue-bulk", title: "× p-queue in bulk" },
  ],
} as const;

export function overheadGrid({ set }: Extract<Result, { kind: "sdk-overhead" }>): Grid {
  return consumersGrid(`A handler that does nothing: ${set.label}`, set, OVERHEAD_CONSUMERS, PEERS.overhead);
}

export function sinkGrid({ set, answerMs }: Extract<Result, { kind: "sdk-sink" }>): Grid {
  return consumersGrid(
    `A third party that answers after ${answerMs} ms: ${set.label}`,
    set,
    SINK_CONSUMERS,
    PEERS.sink,
  );
}

function consumersGrid(
  title: string,
  { runs }: ConsumerSet,
  kinds: readonly ConsumerKind[],
  peers: readonly { readonly id: string; readonly title: string }[],
): Grid {
  const groups = [...Map.groupBy(runs, ({ consumer }) => consumer)];
  const spreads = new Map(groups.map(([id, all]) => [id, spreadOf(rates(all))]));
  return {
    title,
    head: [
      "consumer",
      "deliveries/s (median, range)",
      ...peers.map(({ title }) => title),
      "its cores",
      "broker cores",
      "memory",
      "missing",
      "twice",
      "foreign",
      "not committed",
      "outcomes off",
      "identities off",
      "runs",
    ],
    rows: groups.map(([id, all]) => {
      const median = (pick: (run: ConsumerRun) => number) => spreadOf(all.filter(isValid).map(pick))?.median;
      const sum = (pick: (run: ConsumerRun) => number) => thousands(all.reduce((total, run) => total + pick(run), 0));
      const invalid = all.filter((run) => !isValid(run)).length;
      return [
        kinds.find((kind) => kind.id === id)?.title ?? id,
        rangeText(spreads.get(id), thousands),
        ...peers.map((peer) => ratioText(ratioOf(spreads.get(id), spreads.get(peer.id)))),
        decimal(median(({ cores }) => cores)),
        decimal(median(({ brokerCores }) => brokerCores)),
        megabytes(median(({ rssBytesMax }) => rssBytesMax)),
        sum(({ verdict }) => verdict.missing + (verdict.sink?.missing ?? 0)),
        sum(({ verdict }) => verdict.duplicate + (verdict.sink?.duplicate ?? 0)),
        sum(({ verdict }) => verdict.foreign + (verdict.sink?.foreign ?? 0)),
        sum(({ verdict }) => verdict.uncommitted),
        sum(({ verdict }) => Math.abs(verdict.outcomesOff)),
        sum(({ verdict }) => Math.abs(verdict.identitiesOff ?? 0)),
        invalid === 0 ? String(all.length) : `${all.length}, ${invalid} INVALID`,
      ];
    }),
  };
}

const isValid = ({ valid }: { readonly valid: boolean }) => valid;

/** A run with faults gives no rate. */
function rates(runs: readonly ConsumerRun[]): number[] {
  return runs.filter(isValid).map(({ perSecond }) => perSecond);
}
