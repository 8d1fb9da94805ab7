import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Ajv, type ErrorObject } from "ajv";
import { parse } from "yaml";

/** One service of a compose file, its variables filled in. */
export interface ComposeService {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly target: string };
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly networks?: readonly string[];
  readonly network_mode?: string;
  readonly profiles?: readonly string[];
  readonly restart?: string;
  readonly user?: string;
  readonly mem_limit?: string;
  readonly stop_grace_period?: string;
  readonly logging?: object;
  readonly cap_drop?: readonly string[];
  readonly read_only?: boolean;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

export interface ComposeFile {
  readonly name: string;
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
  readonly volumes: Readonly<Record<string, object>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

/** Reads a compose file as an engine does that has none of its variables set: `${NAME:-default}` is the default. */
export function readCompose(path: string): ComposeFile {
  const text = readFileSync(path, "utf8").replaceAll(/\$\{(\w+):-([^}]*)\}/g, "$2");
  return parse(text, { merge: true }) as ComposeFile;
}

/** What the compose specification's own JSON Schema, as dclint ships it, says against a document. */
export function schemaProblems(document: unknown): string[] {
  const dclint = dirname(createRequire(import.meta.url).resolve("dclint/package.json"));
  const { $schema: _, ...schema } = JSON.parse(
    readFileSync(join(dclint, "schemas", "compose.schema.json"), "utf8"),
  ) as Record<string, unknown>;
  const ajv = new Ajv({ strict: false, allErrors: true, formats: FORMATS });
  const validate = ajv.compile(schema);
  validate(document);
  return (validate.errors ?? []).map((error: ErrorObject) => `${error.instancePath} ${error.message}`);
}

/** The specification's own formats: durations, ports, addresses. */
const FORMATS = {
  duration: /^(\d+(\.\d+)?(us|ms|s|m|h))+$/,
  ports: /^((\[[\da-f:]+\]|[\d.]+):)?(\d+(-\d+)?:)?\d+(-\d+)?(\/(tcp|udp))?$/,
  expose: /^\d+(-\d+)?(\/[a-z]+)?$/,
  subnet_ip_address: /^[\da-f.:]+\/\d+$/,
};
