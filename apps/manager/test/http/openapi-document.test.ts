import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { createRegistry } from "@plugboard/runtime";
import { createConfig, lintFromString } from "@redocly/openapi-core";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { FormatsPlugin } from "ajv-formats";
import ajvFormats from "ajv-formats";
import { createApp } from "../../src/http/app.ts";
import { openApiDocument } from "../../src/http/openapi-document.ts";
import { type RouteServices, routeTable } from "../../src/http/route-table.ts";

// Services are used when a request comes, and here none does.
const unused = new Proxy({}, { get: () => ({}) });
const routes = routeTable(unused as RouteServices);
// biome-ignore lint/suspicious/noExplicitAny: the document is looked into as any reader of JSON would.
const document = JSON.parse(JSON.stringify(openApiDocument(routes))) as any;
// biome-ignore lint/suspicious/noExplicitAny: see above.
type Json = any;

const operations: [string, Json][] = Object.entries<Json>(document.paths).flatMap(([path, atPath]) =>
  Object.entries<Json>(atPath).map(([method, operation]): [string, Json] => [`${method} ${path}`, operation]),
);

interface Layer {
  readonly route?: { readonly path: string; readonly stack: readonly { readonly method?: string }[] };
  readonly handle: { readonly stack?: readonly Layer[] };
}

/** What Express answers, as `method path`; `all` is left out, for it only refuses methods. */
function answeredBy(layers: readonly Layer[]): string[] {
  return layers.flatMap(({ route, handle }) =>
    route === undefined
      ? answeredBy(handle.stack ?? [])
      : route.stack.some(({ method }) => method === "trace")
        ? []
        : route.stack.flatMap(({ method }) => (method === undefined ? [] : [`${method} ${route.path}`])),
  );
}

describe("the document and the server", () => {
  const app = createApp({
    routes,
    tokens: unused as never,
    metrics: unused as never,
    registry: createRegistry({ defaultMetrics: false }),
    checks: [],
    logger: unused as never,
    isOutage: () => false,
    trustedProxies: 0,
  });
  const described = operations.map(([name]) => name.replaceAll(/\{(\w+)\}/g, ":$1"));

  test("every path that Express answers is in the document, and nothing else", () => {
    const answered = new Set(answeredBy((app.router as unknown as { stack: Layer[] }).stack));
    // A file of the page that is not read from its package is a path of its own in the server.
    answered.delete("get /docs/start.js");
    expect(answered.size).toBeGreaterThan(20);
    expect([...answered].toSorted()).toEqual(described.toSorted());
  });

  test("every route of the table is in it, with its roles, statuses and name", () => {
    for (const route of routes) {
      const operation = document.paths[route.path][route.method];
      expect(operation.operationId).toBe(route.operationId);
      expect(operation["x-roles"]).toEqual(["admin", ...route.roles]);
      expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(Object.keys(route.answers)));
      expect(operation.requestBody !== undefined).toBe(route.body !== undefined);
    }
  });
});

describe("the document", () => {
  test("is valid OpenAPI 3.1 by the specification's own schema, and every reference leads somewhere", async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(structuredClone(document));
    expect([valid, errors]).toEqual([true, undefined]);
    expect(validator.version).toBe("3.1");
    const references = JSON.stringify(document).match(/"\$ref":"#\/components\/[^"]+"/g) ?? [];
    const missing = references
      .map((text) => JSON.parse(`{${text}}`).$ref as string)
      .filter(
        (place) =>
          place
            .slice(2)
            .split("/")
            .reduce((node, part) => node?.[part], document) === undefined,
      );
    expect([references.length > 50, missing]).toEqual([true, []]);
  });

  test("has nothing that Redocly's recommended rules mind", async () => {
    const config = await createConfig({
      extends: ["recommended-strict"],
      // Health, metrics and the document cannot be asked wrongly; the server is the one that serves the document.
      rules: { "operation-4xx-response": "off", "no-server-example.com": "off", "security-defined": "error" },
    });
    const problems = await lintFromString({ source: JSON.stringify(document), config });
    expect(problems.map(({ ruleId, message, location }) => [ruleId, message, location[0]?.pointer])).toEqual([]);
  });

  test.each(operations)("%s tells a stranger what it needs", (_name, operation) => {
    for (const field of ["operationId", "summary", "description"]) expect(operation[field]).toEqual(expect.any(String));
    expect(document.tags.map(({ name }: Json) => name)).toEqual(expect.arrayContaining(operation.tags));
    const bodies: Json[] = [operation.requestBody, ...Object.values<Json>(operation.responses)].filter(Boolean);
    for (const body of bodies.map((each) => at(each)))
      for (const [type, { example, examples, schema }] of Object.entries<Json>(body.content ?? {}))
        if (/[/+]json$/.test(type) && operation.operationId !== "readDescription")
          expect([example ?? examples ?? at(schema).examples]).not.toEqual([undefined]);
  });

  test("says of every body that fields which it does not describe are refused, except in events", () => {
    const open = operations.flatMap(([name, { requestBody }]) =>
      requestBody === undefined ? [] : openObjects(requestBody.content["application/json"].schema).map(() => name),
    );
    expect(open).toEqual(["post /v1/process"]);
  });

  test("its examples are what their schemas say", () => {
    const ajv = (ajvFormats as unknown as FormatsPlugin)(new Ajv2020({ strict: false, allErrors: true }));
    ajv.addSchema(document, "openapi");
    let checked = 0;
    for (const [name, operation] of operations)
      for (const body of [operation.requestBody, ...Object.values<Json>(operation.responses)].filter(Boolean))
        for (const { example, examples, schema } of Object.values<Json>(at(body).content ?? {})) {
          const values = [example, ...Object.values<Json>(examples ?? {}).map(({ value }) => value)];
          const validate = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi#/')));
          for (const value of values.filter((each) => each !== undefined)) {
            checked += 1;
            expect([name, validate(value), validate.errors]).toEqual([name, true, null]);
          }
        }
    expect(checked).toBeGreaterThan(100);
  });

  test("is the one in docs/openapi.json", () => {
    const written = readFileSync(join(import.meta.dirname, "../../../../docs/openapi.json"), "utf8");
    expect(JSON.parse(written)).toEqual(document);
  });
});

/** The schemas in a schema that name properties and take others, too; the document's bodies do not refer to themselves. */
function openObjects(schema: Json): Json[] {
  if (typeof schema !== "object" || schema === null) return [];
  const whole = at(schema);
  const own = whole.properties !== undefined && whole.additionalProperties !== false ? [whole] : [];
  const { properties = {}, items, anyOf = [], oneOf = [], allOf = [], additionalProperties } = whole;
  const parts = [...Object.values<Json>(properties), items, ...anyOf, ...oneOf, ...allOf, additionalProperties];
  return [...own, ...parts.flatMap(openObjects)];
}

/** What a reference refers to. */
function at(node: Json): Json {
  if (node.$ref === undefined) return node;
  return (node.$ref as string)
    .slice(2)
    .split("/")
    .reduce((inner, part) => inner[part], document);
}
