import { registerHooks } from "node:module";

/** A change of the source of one of the router's files, to see that the simulation finds what it breaks. */
export interface Mutation {
  /** End of the file's path. */
  readonly file: string;
  /** Stands in it exactly once. */
  readonly from: string;
  readonly to: string;
}

const CONNECTION = "/@platformatic/kafka/dist/network/connection.js";
const DEFINITIONS = "/@platformatic/kafka/dist/apis/definitions.js";

/** The client's calls hand their arguments to the connection; but those with records in them (0 and 1) their bytes. */
const CREATE_API = `
import { promisify } from 'node:util';
export function createAPI(apiKey, apiVersion, createRequest, parseResponse) {
  const api = function api(connection, ...args) {
    const callback = typeof args[args.length - 1] === 'function' ? args.pop() : () => {};
    if (apiKey > 1) connection.request(apiKey, apiVersion, args, callback);
    else connection.send(apiKey, apiVersion, () => createRequest(...args), parseResponse, true, true, callback);
  };
  api.async = promisify(api);
  api.key = apiKey;
  api.version = apiVersion;
  return api;
}`;

/**
 * To be called before anything of the router is imported: from then on the Kafka client's connections are simulated ones.
 * @param mutations changes of the router's own source.
 * @throws when importing a file whose source is not as a mutation expects it.
 */
export function replaceModules(mutations: readonly Mutation[]): void {
  const connection = new URL("./simulated-connection.ts", import.meta.url).href;
  registerHooks({
    load(url, context, nextLoad) {
      if (url.endsWith(CONNECTION)) return synthetic(`export * from ${JSON.stringify(connection)};`);
      if (url.endsWith(DEFINITIONS)) return synthetic(CREATE_API);
      const loaded = nextLoad(url, context);
      const changes = mutations.filter(({ file }) => url.endsWith(file));
      if (changes.length === 0) return loaded;
      return { ...loaded, source: changes.reduce(mutated, String(loaded.source)) };
    },
  });
}

function synthetic(source: string) {
  return { format: "module", source, shortCircuit: true } as const;
}

/** @throws when the source is not as the mutation expects it. */
export function mutated(source: string, { file, from, to }: Mutation): string {
  const parts = source.split(from);
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${from}`);
  return parts.join(to);
}
