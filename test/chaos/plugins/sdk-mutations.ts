import type { Mutation } from "../../../apps/router/test/simulation/replace-modules.ts";
import type { Broken } from "./judge-effects.ts";

const SDK = "/packages/plugin-sdk/src";

/** A rule of the SDK broken on purpose, and what has to be found then. */
interface SdkMutation extends Mutation {
  readonly found: readonly Broken[];
}

/** The checker must find each of them, in a run in which processes are killed. */
export const SDK_MUTATIONS: Readonly<Record<string, SdkMutation>> = {
  "offset-before-settlement": {
    file: `${SDK}/consumer/topic-consumer.ts`,
    from: "const item = receive(copy, plugin, flatSource);",
    to: "done();\n    const item = receive(copy, plugin, flatSource);",
    found: ["lost"],
  },
  "unsafe-is-repeated": {
    file: `${SDK}/delivery/after-cut.ts`,
    from: 'return redeliver === "unsafe" ? "unknown" : "repeat";',
    to: 'return "repeat";',
    found: ["doubled though unsafe"],
  },
  "effect-before-its-record": {
    file: `${SDK}/store/delivery-store.ts`,
    from: "const result = await work(client);",
    to: 'const result = await work(client);\n await client.query("COMMIT");\n await new Promise((resolve) => setTimeout(resolve, 300));\n await client.query("BEGIN");',
    found: ["doubled in a transaction"],
  },
  "resolver-is-not-asked": {
    file: `${SDK}/delivery/call-handler.ts`,
    from: "if (call.unresolved && definition.resolveUnknown !== undefined) {",
    to: "if (call.attempt < 0 && definition.resolveUnknown !== undefined) {",
    found: ["doubled though looked up"],
  },
  "fence-is-open": {
    file: `${SDK}/compose-delivery.ts`,
    from: 'fence: definition.revisions !== "all",',
    to: "fence: false,",
    found: ["older after newer"],
  },
};
