import { join } from "node:path";

/** What is measured on a backlog: a plugin with the SDK, handled and recorded in one of its ways, or a peer written by hand. */
export interface ConsumerKind {
  readonly id: string;
  readonly title: string;
  readonly script: string;
  /** What the plugin is told beside its installation; null for a peer. */
  readonly plugin: PluginWay | null;
  /** How much of the usual backlog it gets, so that none is done at once and none takes for ever; all of it unless said. */
  readonly share?: number;
}

interface PluginWay {
  readonly id: "noop" | "sink";
  readonly handling: "one" | "batch";
  readonly identity: "recorded" | "none";
  readonly outcomes: "all" | "exceptions";
  readonly environment?: Readonly<Record<string, string>>;
}

const peer = (script: string) => join(import.meta.dirname, "..", "peers", script);
const plugin = (id: PluginWay["id"]) => join(import.meta.dirname, "plugins", `${id}-plugin.ts`);

/** With a handler that does nothing. */
export const OVERHEAD_CONSUMERS: readonly ConsumerKind[] = [
  {
    id: "kafkajs-each-message",
    title: "kafkajs by hand, eachMessage",
    script: peer("kafkajs-each-message.ts"),
    plugin: null,
  },
  {
    id: "kafkajs-each-batch",
    title: "kafkajs by hand, eachBatch",
    script: peer("kafkajs-each-batch.ts"),
    plugin: null,
  },
  {
    id: "sdk-bare",
    title: "SDK, no identity, outcomes of exceptions only; one at a time",
    script: plugin("noop"),
    plugin: { id: "noop", handling: "one", identity: "none", outcomes: "exceptions" },
  },
  {
    id: "sdk-none",
    title: "SDK, no identity; one at a time",
    script: plugin("noop"),
    plugin: { id: "noop", handling: "one", identity: "none", outcomes: "all" },
  },
  {
    id: "sdk-none-batch",
    title: "SDK, no identity; batches",
    script: plugin("noop"),
    plugin: { id: "noop", handling: "batch", identity: "none", outcomes: "all" },
    share: 0.1,
  },
  {
    id: "sdk-identity",
    title: "SDK as shipped, with identity; one at a time",
    script: plugin("noop"),
    plugin: { id: "noop", handling: "one", identity: "recorded", outcomes: "all" },
    share: 0.1,
  },
  {
    id: "sdk-identity-batch",
    title: "SDK as shipped, with identity; batches",
    script: plugin("noop"),
    plugin: { id: "noop", handling: "batch", identity: "recorded", outcomes: "all" },
    share: 0.1,
  },
];

/** With a third party that answers after a while. */
export const SINK_CONSUMERS: readonly ConsumerKind[] = [
  {
    id: "kafkajs-each-message",
    title: "kafkajs by hand, one at a time",
    script: peer("kafkajs-each-message.ts"),
    plugin: null,
    share: 0.1,
  },
  {
    id: "kafkajs-p-queue",
    title: "kafkajs and p-queue by hand, 16 calls at once",
    script: peer("kafkajs-p-queue.ts"),
    plugin: null,
  },
  {
    id: "kafkajs-p-queue-bulk",
    title: "kafkajs and p-queue by hand, bulk calls of up to 50 of a team, 16 at once",
    script: peer("kafkajs-p-queue-bulk.ts"),
    plugin: null,
    share: 10,
  },
  {
    id: "sdk-one",
    title: "SDK, PLUGIN_CONCURRENCY=1",
    script: plugin("sink"),
    plugin: {
      id: "sink",
      handling: "one",
      identity: "recorded",
      outcomes: "all",
      environment: { PLUGIN_CONCURRENCY: "1" },
    },
    share: 0.1,
  },
  {
    id: "sdk-concurrent",
    title: "SDK, as shipped (16 at once)",
    script: plugin("sink"),
    plugin: { id: "sink", handling: "one", identity: "recorded", outcomes: "all" },
  },
  {
    id: "sdk-concurrent-none",
    title: "SDK, no identity, 16 at once",
    script: plugin("sink"),
    plugin: { id: "sink", handling: "one", identity: "none", outcomes: "all" },
  },
  {
    id: "sdk-batch",
    title: "SDK, onBatch (up to 50 of a team, 16 batches at once)",
    script: plugin("sink"),
    plugin: { id: "sink", handling: "batch", identity: "recorded", outcomes: "all" },
  },
  {
    id: "sdk-batch-none",
    title: "SDK, no identity, onBatch",
    script: plugin("sink"),
    plugin: { id: "sink", handling: "batch", identity: "none", outcomes: "all" },
  },
];
