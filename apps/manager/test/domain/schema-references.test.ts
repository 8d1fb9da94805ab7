import { describe, expect, test } from "@jest/globals";
import type { JsonObject } from "../../src/domain/records.ts";
import { referenceProblems } from "../../src/domain/schema-references.ts";

const secret = { type: "string", writeOnly: true };
const pathsOf = (schema: JsonObject) => referenceProblems(schema).map(({ path }) => path);

describe("references of a schema", () => {
  test("that point into it are taken, also where they describe a list or a tree", () => {
    const tree = { type: "object", properties: { children: { items: { $ref: "#/$defs/tree" } } } };
    expect(
      pathsOf({ $id: "https://example.org/s", $defs: { tree }, properties: { a: { $ref: "#/$defs/tree" } } }),
    ).toEqual([]);
  });

  test("are told apart from properties and values that only look like some", () => {
    expect(
      pathsOf({ properties: { $ref: { type: "string" }, $id: { const: { $ref: "x" } } }, default: { $ref: "y" } }),
    ).toEqual([]);
  });

  test.each<[string, JsonObject, string[]]>([
    [
      "an address, which would have to be fetched",
      { properties: { a: { $ref: "http://127.0.0.1/s" } } },
      ["/properties/a/$ref"],
    ],
    ["an anchor", { properties: { a: { $anchor: "s", ...secret }, b: { $ref: "#s" } } }, ["/properties/b/$ref"]],
    [
      "a dynamic one",
      { properties: { a: { $dynamicAnchor: "s", ...secret }, b: { $dynamicRef: "#s" } } },
      ["/properties/b/$dynamicRef"],
    ],
    [
      "its own address",
      { $id: "http://x/y", properties: { a: secret, b: { $ref: "y#/properties/a" } } },
      ["/properties/b/$ref"],
    ],
    [
      "within a schema of another address",
      { properties: { a: secret, b: { $id: "http://o/p" } } },
      ["/properties/b/$id"],
    ],
    ["nothing", { properties: { a: { $ref: "#/$defs/none" } } }, ["/properties/a/$ref"]],
    ["itself", { $ref: "#" }, ["/$ref"]],
    [
      "itself through alternatives",
      { $defs: { a: { anyOf: [{ type: "string" }, { $ref: "#/$defs/a" }] } } },
      ["/$defs/a/anyOf/1/$ref"],
    ],
    [
      "each other",
      { $defs: { a: { $ref: "#/$defs/b" }, b: { not: { $ref: "#/$defs/a" } } } },
      ["/$defs/a/$ref", "/$defs/b/not/$ref"],
    ],
    ["itself, recursively", { $recursiveRef: "#" }, ["/$recursiveRef"]],
  ])("are refused when they name %s", (_what, schema, paths) => {
    expect(pathsOf(schema)).toEqual(paths);
  });
});
