import { join } from "node:path";

/** What is measured on a backlog: a plugin with the SDK, handled and recorded in one of its ways, or a peer written by hand. */
export interface ConsumerKind {
  readonly id: string;
  readonly title: string;
  readonly script: string;
  /** What the plugin is told beside its installation; null for a peer. */
  readonly plugin: PluginWay | null;
  /** How much of the usual backlog it gets, so that none is done at once and none takes for ever. */
  readonly share: number;
}

interface PluginWay {
  readonly id: "noop" | "sink";
  readonly handling: "one" | "batch";
  readonly identity: "recorded" | "none";
  readonly outcomes: "all" | "exceptions";
  readonly environment?: Readonly<Record<string, string>>;
}

/** The part of the usual backlog that a slow one gets. */
const TENTH = 0.1;

/** Written by hand: the peer of that name. */
function byHand(id: string, title: string, share = 1): ConsumerKind {
  return { id, title, script: join(import.meta.dirname, "..", "peers", `${id}.ts`), plugin: null, share };
}

/** A plugin with the SDK: one at a time, with identities and all outcomes unless said. */
function sdk(id: string, title: string, plugin: Pick<PluginWay, "id"> & Partial<PluginWay>, share = 1): ConsumerKind {
  const script = join(import.meta.dirname, "plugins", `${plugin.id}-plugin.ts`);
  return { id, title, script, plugin: { handling: "one", identity: "recorded", outcomes: "all", ...plugin }, share };
}

/** With a handler that does nothing. */
export const OVERHEAD_CONSUMERS: readonly ConsumerKind[] = [
  byHand("kafkajs-each-message", "kafkajs by hand, eachMessage"),
  byHand("kafkajs-each-batch", "kafkajs by hand, eachBatch"),
  sdk("sdk-bare", "SDK, no identity, outcomes of exceptions only; one at a time", {
    id: "noop",
    identity: "none",
    outcomes: "exceptions",
  }),
  sdk("sdk-none", "SDK, no identity; one at a time", { id: "noop", identity: "none" }),
  sdk("sdk-none-batch", "SDK, no identity; batches", { id: "noop", handling: "batch", identity: "none" }, TENTH),
  sdk("sdk-identity", "SDK as shipped, with identity; one at a time", { id: "noop" }, TENTH),
  sdk("sdk-identity-batch", "SDK as shipped, with identity; batches", { id: "noop", handling: "batch" }, TENTH),
];

/** With a third party that answers after a while. */
export const SINK_CONSUMERS: readonly ConsumerKind[] = [
  byHand("kafkajs-each-message", "kafkajs by hand, one at a time", TENTH),
  byHand("kafkajs-p-queue", "kafkajs and p-queue by hand, 16 calls at once"),
  byHand("kafkajs-p-queue-bulk", "kafkajs and p-queue by hand, bulk calls of up to 50 of a team, 16 at once", 10),
  sdk("sdk-one", "SDK, PLUGIN_CONCURRENCY=1", { id: "sink", environment: { PLUGIN_CONCURRENCY: "1" } }, TENTH),
  sdk("sdk-concurrent", "SDK, as shipped (16 at once)", { id: "sink" }),
  sdk("sdk-concurrent-none", "SDK, no identity, 16 at once", { id: "sink", identity: "none" }),
  sdk("sdk-batch", "SDK, onBatch (up to 50 of a team, 16 batches at once)", { id: "sink", handling: "batch" }),
  sdk("sdk-batch-none", "SDK, no identity, onBatch", { id: "sink", handling: "batch", identity: "none" }),
];
