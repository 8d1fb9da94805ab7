import { registerHooks } from "node:module";
import { mutated } from "../../../apps/router/test/simulation/replace-modules.ts";
import { SDK_MUTATIONS } from "./sdk-mutations.ts";

/** Loaded before a plugin: from then on the SDK's source has the mutations that CHAOS_MUTATIONS names. */
const { CHAOS_MUTATIONS = "" } = process.env;
const mutations = CHAOS_MUTATIONS.split(",").map((name) => {
  const mutation = SDK_MUTATIONS[name];
  if (mutation === undefined) throw new Error(`no such mutation: ${name}`);
  return mutation;
});

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const changes = mutations.filter(({ file }) => url.endsWith(file));
    return changes.length === 0 ? loaded : { ...loaded, source: changes.reduce(mutated, String(loaded.source)) };
  },
});
