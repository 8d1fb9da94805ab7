import fc, { type Arbitrary } from "fast-check";
import type { OpenApiDocument } from "../../src/http/openapi-document.ts";
import { type FieldArbitraries, schemaArbitrary } from "./schema-arbitrary.ts";

/** A request as it goes over the wire, and who sends it. */
export interface FuzzRequest {
  readonly operationId: string;
  readonly actor: string;
  readonly method: string;
  /** With its query; ASCII without blanks. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** What a run knows beyond the document: ids that are there, and values that mean something. */
export interface FuzzKnowledge {
  readonly actors: readonly string[];
  readonly parameters: Readonly<Record<string, readonly string[]>>;
  readonly fields: FieldArbitraries;
  /** operationId → bodies that get further than the schema alone tells. */
  readonly bodies: Readonly<Record<string, Arbitrary<unknown>>>;
  /** operationId → path parameters that it is kept to, so that a run does not undo its own ground. */
  readonly kept: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}

// biome-ignore lint/suspicious/noExplicitAny: the document is looked into as any reader of JSON would.
type Json = any;

const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  -0.5,
  2 ** 53,
  "",
  " ",
  "\u0000",
  "a\u0000b",
  "\ud800",
  "\u202e",
  "😀".repeat(50),
  "x".repeat(5_000),
  [],
  {},
  [[[[]]]],
  { $sealed: "x" },
  { __proto__: null },
  "__proto__",
  "../..",
  "' OR 1=1 --",
  "{{7*7}}",
  "1e999",
  "NaN",
];
const ODD_KEYS = ["__proto__", "constructor", "$sealed", "", "a\u0000b", "toString", "\ud83d", "x".repeat(300)];
const ODD_SEGMENTS = [
  "%00",
  "%E0%A4%A",
  "..",
  "%2e%2e",
  "%2F",
  "A",
  "a_b",
  "x".repeat(65),
  "x".repeat(4_000),
  "%F0%9F%98%80",
  "-",
  "__proto__",
  "%20",
  "*",
  ":id",
  "{team}",
];
const ODD_QUERIES = [
  "?",
  "?limit=0",
  "?limit=501",
  "?limit=1e2",
  "?limit=-1",
  "?limit=1&limit=2",
  "?after=",
  "?after=A",
  "?x=1",
  "?__proto__=1",
  "?after[$gt]=a",
  "?%00=%00",
  "?limit=%E0%A4%A",
  "?deleteTopics=yes",
  "?&&&=",
  `?after=${"x".repeat(2_000)}`,
];
const ODD_HEADERS: readonly Readonly<Record<string, string>>[] = [
  { "content-type": "text/plain" },
  { "content-type": "application/json; charset=latin1" },
  { "content-type": "application/json; charset=utf-16" },
  { "content-type": "multipart/form-data; boundary=x" },
  { "content-type": "application/vnd.x+json" },
  { "content-type": "application/x-www-form-urlencoded" },
  { "content-type": "" },
  { "content-encoding": "gzip" },
  { "content-encoding": "br" },
  { "content-encoding": "nonsense" },
  { "x-request-id": "x".repeat(500) },
  { "x-request-id": "<script>" },
  { "if-none-match": "*" },
  { accept: "text/html" },
  { expect: "something" },
  { "x-forwarded-for": "1.2.3.4, nonsense" },
  { "x-http-method-override": "DELETE" },
  { range: "bytes=0-1" },
  { "if-match": "x" },
  { "if-modified-since": "Fri, 31 Dec 2100 23:59:59 GMT" },
  { "if-unmodified-since": "Fri, 31 Dec 1999 23:59:59 GMT" },
  { cookie: "a=b; ;=" },
  { upgrade: "websocket", connection: "upgrade" },
  { "transfer-encoding": "chunked" },
  { "transfer-encoding": "chunked", "content-type": "text/plain" },
  { "x-big": "x".repeat(9_000) },
];
/** Targets that are no path of the document, or no path at all. */
const ODD_TARGETS = [
  "/",
  "*",
  "//v1/plugins",
  "/v1",
  "/v1/",
  "/v1/plugins/",
  "/V1/plugins",
  "/v1/teams",
  "/v1/../v1/plugins",
  "/v1/plugins;a=b",
  "/docs/",
  "/docs/../package.json",
  "/docs/%2e%2e%2fpackage.json",
  "/internal",
  "/__proto__",
  "http://[",
  "http://",
  `/${"x".repeat(8_000)}`,
  "/%",
];
const METHODS = ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY"];

/** Requests made from the document itself: most as it asks for, the others wrong in one way or another. */
export function requestArbitrary(document: OpenApiDocument, knowledge: FuzzKnowledge): Arbitrary<FuzzRequest> {
  const operations = Object.entries<Json>((document as Json).paths).flatMap(([path, atPath]) =>
    Object.entries<Json>(atPath).map(([method, operation]) =>
      operationArbitrary(path, method, operation, document, knowledge),
    ),
  );
  return fc.oneof(...operations);
}

function operationArbitrary(
  path: string,
  method: string,
  operation: Json,
  document: OpenApiDocument,
  knowledge: FuzzKnowledge,
): Arbitrary<FuzzRequest> {
  const schema = operation.requestBody?.content["application/json"].schema;
  const valid =
    schema === undefined ? fc.constant(undefined) : bodyValues(operation.operationId, schema, document, knowledge);
  const id = operation.operationId as string;
  const anybody = fc.constantFrom(...knowledge.actors);
  const entitled = knowledge.actors.filter((actor) => operation["x-roles"]?.includes(actor.split(":")[0]));
  return fc
    .record({
      // Drawn evenly, nearly all would be refused at the door, and little of what is behind it tried.
      actor: entitled.length === 0 ? anybody : weighted(2, fc.constantFrom(...entitled), anybody),
      path: weighted(49, pathArbitrary(path, operation, knowledge), fc.constantFrom(...ODD_TARGETS)),
      method: weighted(19, fc.constant(method.toUpperCase()), fc.constantFrom(...METHODS)),
      body:
        schema === undefined
          ? weighted(9, fc.constant(undefined), textOf(fc.jsonValue()))
          : weighted(6, textOf(valid), brokenText(valid)),
      odd: weighted(9, fc.constant({}), fc.constantFrom(...ODD_HEADERS)),
    })
    .map(({ actor, path: target, method: verb, body, odd }) => ({
      operationId: id,
      actor,
      method: verb,
      path: target,
      body,
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...odd },
    }));
}

function bodyValues(
  id: string,
  schema: Json,
  document: OpenApiDocument,
  { fields, bodies }: FuzzKnowledge,
): Arbitrary<unknown> {
  const described = schemaArbitrary(schema, document, fields);
  const known = bodies[id];
  return known === undefined ? described : weighted(2, known, described);
}

function pathArbitrary(template: string, operation: Json, knowledge: FuzzKnowledge): Arbitrary<string> {
  const names = [...template.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
  const values = names.map((name) => {
    const kept = knowledge.kept[operation.operationId]?.[name];
    const known = fc.constantFrom(...(kept ?? knowledge.parameters[name] ?? ["swagger-ui.css", "start.js"]));
    return kept === undefined ? weighted(14, known, fc.constantFrom(...ODD_SEGMENTS)) : known;
  });
  const declared: Json[] = (operation.parameters ?? []).filter((parameter: Json) => parameter.in === "query");
  const query = fc
    .record(Object.fromEntries(declared.map(({ name, schema }) => [name, schemaArbitrary(schema, {}, {})])), {
      requiredKeys: [],
    })
    .map((given) =>
      new URLSearchParams(
        Object.entries(given).map(([name, value]) => [name, String(value)] as [string, string]),
      ).toString(),
    );
  return fc
    .tuple(
      fc.tuple(...values),
      weighted(
        9,
        query.map((text) => (text === "" ? "" : `?${text}`)),
        fc.constantFrom(...ODD_QUERIES),
      ),
    )
    .map(
      ([segments, search]) =>
        names.reduce((path, name, index) => path.replace(`{${name}}`, () => String(segments[index])), template) +
        search,
    );
}

function weighted<T>(times: number, usual: Arbitrary<T>, odd: Arbitrary<T>): Arbitrary<T> {
  return fc.oneof({ weight: times, arbitrary: usual }, { weight: 1, arbitrary: odd });
}

function textOf(values: Arbitrary<unknown>): Arbitrary<string | undefined> {
  return values.map((value) => JSON.stringify(value));
}

/** Bodies that are nearly right, and bodies that are nothing at all. */
function brokenText(valid: Arbitrary<unknown>): Arbitrary<string | undefined> {
  const changed = fc
    .tuple(valid, fc.nat(), fc.constantFrom(...ODD_VALUES))
    .map(([value, place, odd]) => JSON.stringify(replaced(value, place, odd)));
  const extended = fc
    .tuple(valid, fc.constantFrom(...ODD_KEYS), fc.constantFrom(...ODD_VALUES))
    .map(([value, key, odd]) => {
      const text = JSON.stringify(value) ?? "{}";
      // Written as text, for JavaScript would take __proto__ as something else.
      return text.startsWith("{")
        ? `{${JSON.stringify(key)}:${JSON.stringify(odd)}${text === "{}" ? "" : ","}${text.slice(1)}`
        : text;
    });
  const cut = fc.tuple(textOf(valid), fc.nat({ max: 200 })).map(([text, length]) => text?.slice(0, length));
  const nothing = fc.constantFrom(
    "",
    "{",
    "null",
    "[]",
    '"text"',
    "1",
    "\u0000",
    "{'a':1}",
    "[".repeat(3_000),
    `${'{"a":'.repeat(200)}1${"}".repeat(200)}`,
    '{"a":1e999}',
    `{"a":"${"x".repeat(70_000)}"}`,
    `{"a":"${"x".repeat(300_000)}"}`,
    `{${Array.from({ length: 5_000 }, (_, index) => `"k${index}":1`).join()}}`,
    '{"a":1,"a":2}',
    '\ufeff{"enabled":true}',
  );
  return fc.oneof(changed, extended, cut, nothing);
}

/** The value with the one at `place` (counted in depth first order, modulo all) replaced. */
function replaced(value: unknown, place: number, odd: unknown): unknown {
  const paths: (string | number)[][] = [];
  const visit = (node: unknown, path: (string | number)[]) => {
    paths.push(path);
    if (typeof node === "object" && node !== null)
      for (const [key, child] of Object.entries(node)) visit(child, [...path, key]);
  };
  visit(value, []);
  const [first, ...rest] = paths[place % paths.length] ?? [];
  const set = (node: unknown, [key, ...others]: (string | number)[]): unknown => {
    if (key === undefined) return odd;
    if (Array.isArray(node))
      return node.map((item, index) => (String(index) === String(key) ? set(item, others) : item));
    return { ...(node as object), [key]: set((node as Record<string, unknown>)[key], others) };
  };
  return first === undefined ? odd : set(value, [first, ...rest]);
}
