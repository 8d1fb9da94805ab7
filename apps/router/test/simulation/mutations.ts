import type { Mutation } from "./replace-modules.ts";

const ROUTER = "/apps/router/src";

/** Limits made small, so that they are reached, and that a thousand routers are soon made. */
export const SMALL_LIMITS: readonly Mutation[] = [
  { file: `${ROUTER}/domain/quotas.ts`, from: "BUCKETS_MAX = 50_000", to: "BUCKETS_MAX = 100" },
  {
    file: "/packages/routing-table/src/layered-routing-table.ts",
    from: "PLUGINS_MAX = 5_000",
    to: "PLUGINS_MAX = 10",
  },
];

/** Rules of the router broken on purpose: the simulation must find each of them. */
export const MUTATIONS: Readonly<Record<string, readonly Mutation[]>> = {
  "commit-before-acknowledgement": [
    {
      file: `${ROUTER}/pipeline/settle.ts`,
      from: "await sink.write(outgoing, batch);",
      to: "sink.write(outgoing, batch).catch(() => {});",
    },
  ],
  "revoked-work-is-settled": [
    { file: `${ROUTER}/pipeline/settle.ts`, from: "if (batch.revoked.aborted) return;", to: "" },
    {
      file: `${ROUTER}/adapters/kafka-source.ts`,
      from: "if (assignment === undefined || assignment.ended.aborted) return;\n    assignment.heldBytes",
      to: "if (assignment === undefined) return;\n    assignment.heldBytes",
    },
    {
      file: `${ROUTER}/adapters/kafka-source.ts`,
      from: "if (assignment.ended.aborted || offsets.size === 0) {",
      to: "if (offsets.size === 0) {",
    },
  ],
  "offsets-with-a-hole": [
    {
      file: `${ROUTER}/domain/offset-tracker.ts`,
      from: "while (stretches[settledPrefix]?.settled) settledPrefix += 1;",
      to: "settledPrefix = stretches.indexOf(stretch) + 1;",
    },
  ],
  "a-refused-topic-is-overtaken": [
    {
      file: `${ROUTER}/adapters/kafka-sink.ts`,
      from: "if (lane !== undefined) {",
      to: "if (lane !== undefined && Math.random() < 0.5) {",
    },
  ],
  "no-limit-of-bytes": [
    {
      file: `${ROUTER}/adapters/partition-reader.ts`,
      from: "await budget.room(assignment.readingStopped);",
      to: "",
    },
  ],
  "a-rebuilt-redis-is-taken-for-the-old": [
    {
      file: "/packages/routing-table/src/domain/level-one.ts",
      from: "this.#teams.clear();\n    this.#plugins.clear();",
      to: "",
    },
  ],
  "partitions-go-without-a-drain": [
    {
      file: `${ROUTER}/adapters/kafka-source.ts`,
      from: "onRevoke: () => this.#letGo(),",
      to: "onRevoke: async () => {},",
    },
  ],
  "a-transaction-is-committed-without-what-was-refused": [
    {
      file: `${ROUTER}/adapters/transaction.ts`,
      from: "if (failure !== undefined) throw failure;",
      to: "",
    },
  ],
  "offsets-are-moved-by-anybody": [
    {
      file: `${ROUTER}/adapters/transaction.ts`,
      from: "const { memberId, generationId } = first.membership;",
      to: 'const memberId = "", generationId = -1;',
    },
  ],
  "a-transaction-given-up-goes-on": [
    {
      file: `${ROUTER}/adapters/transaction.ts`,
      from: 'if (this.#mode === "given-up") throw new Error("the transaction was given up");',
      to: "",
    },
    {
      file: `${ROUTER}/adapters/transactional-sink.ts`,
      from: "await this.#producer.discard();\n    // The brokers end",
      to: "// The brokers end",
    },
  ],
  "offsets-that-a-transaction-moves-are-read": [
    {
      file: `${ROUTER}/adapters/group-offsets.ts`,
      from: "offsetFetchV8.api.async(connection, request, true)",
      to: "offsetFetchV8.api.async(connection, request, false)",
    },
  ],
  "aborted-records-are-read": [
    {
      file: `${ROUTER}/adapters/fetched-records.ts`,
      from: "return batch.isTransactional && producers.has(batch.producerId);",
      to: "return false;",
    },
  ],
  "a-held-copy-is-overtaken": [
    {
      file: `${ROUTER}/domain/return-cursors.ts`,
      from: "if (waiting !== undefined) {",
      to: "if (waiting !== undefined && Math.random() < 0.5) {",
    },
  ],
  "cursors-before-acknowledgement": [
    {
      file: `${ROUTER}/adapters/stretch-return.ts`,
      from: "return await writer.write(write, returning.commitOf(next));",
      to: "writer.write(write, returning.commitOf(next)).catch(() => {});\n return [];",
    },
  ],
  "a-static-member-keeps-what-it-has": [
    {
      file: `${ROUTER}/adapters/group-membership.ts`,
      from: "await this.#options.onRevoke();",
      to: "if (this.#options.instanceId === undefined) await this.#options.onRevoke();",
    },
  ],
  "a-group-taken-over-is-taken-for-whole": [
    {
      file: `${ROUTER}/adapters/group-membership.ts`,
      from: "this.#unsure = this.#options.instanceId !== undefined;",
      to: "",
    },
  ],
};
