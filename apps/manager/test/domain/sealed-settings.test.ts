import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { compileSchema } from "../../src/domain/json-schema.ts";
import type { JsonObject } from "../../src/domain/records.ts";
import {
  keepSecrets,
  keptPlaceholder,
  replaceSecrets,
  schemaWithKept,
  shownSettings,
  withoutSecrets,
} from "../../src/domain/sealed-settings.ts";
import { ANY_KEY, secretPlaces } from "../../src/domain/secret-places.ts";

const seal = async (secret: unknown) => ({ $sealed: `<${JSON.stringify(secret)}>` });
const secret = { type: "string", writeOnly: true };

describe("secrets are found", () => {
  test.each<[string, JsonObject, (string | symbol)[][]]>([
    ["at the top", { properties: { key: secret, plain: {} } }, [["key"]]],
    ["below", { properties: { a: { properties: { b: secret } } } }, [["a", "b"]]],
    ["in arrays", { properties: { list: { items: { properties: { key: secret } } } } }, [["list", ANY_KEY, "key"]]],
    ["under any name", { additionalProperties: secret }, [[ANY_KEY]]],
    ["under names of a pattern", { patternProperties: { "^k": secret } }, [[ANY_KEY]]],
    ["in alternatives", { anyOf: [{ properties: { a: secret } }, { properties: { b: secret } }] }, [["a"], ["b"]]],
    ["beside other properties", { dependencies: { a: { properties: { b: secret } } } }, [["b"]]],
    ["in conditions", { if: {}, else: { properties: { a: secret } } }, [["a"]]],
    ["behind references", { $defs: { s: secret }, properties: { a: { $ref: "#/$defs/s" } } }, [["a"]]],
    ["in a schema without any", { properties: { a: {} } }, []],
  ])("%s", (_where, schema, places) => {
    expect(secretPlaces(schema)).toEqual({ places, problems: [] });
  });

  test.each<[string, JsonObject]>([
    ["as the whole", { writeOnly: true }],
    ["where nothing leads", { $defs: { s: secret } }],
    ["inside a not", { not: { properties: { a: secret } } }],
    ["in a schema that refers to itself", { properties: { next: { $ref: "#" }, key: secret } }],
    ["behind an anchor", { $defs: { s: { $anchor: "s", ...secret } }, properties: { a: { $ref: "#s" } } }],
  ])("or the schema is refused: %s", (_where, schema) => {
    expect(secretPlaces(schema).problems.length).toBeGreaterThan(0);
  });

  test("within bounds, however a schema multiplies itself", () => {
    const $defs: Record<string, unknown> = { d0: {} };
    for (let level = 1; level < 40; level += 1)
      $defs[`d${level}`] = { allOf: [{ $ref: `#/$defs/d${level - 1}` }, { $ref: `#/$defs/d${level - 1}` }] };
    expect(secretPlaces({ $defs, $ref: "#/$defs/d39" }).problems.length).toBeGreaterThan(0);
  });
});

test("two thousand plain properties are no reason to refuse a schema", () => {
  const properties = Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`p${n}`, { type: "string" }]));
  expect(secretPlaces({ properties })).toEqual({ places: [], problems: [] });
});

test("what was stored in clear before the schema made it a secret is not shown", () => {
  const { places } = secretPlaces({ properties: { key: secret, list: { items: secret } } });
  const stored = { key: "clear", plain: 1, list: ["clear", { $sealed: "x" }] };
  expect(shownSettings(stored, places)).toEqual({ plain: 1, list: [null, null] });
});

describe("sealing", () => {
  const schema = {
    properties: {
      key: secret,
      account: { properties: { password: secret } },
      list: { items: { properties: { token: secret } } },
      map: { additionalProperties: { properties: { token: secret } } },
    },
  };
  const { places } = secretPlaces(schema);
  const value = fc.record(
    {
      key: fc.string(),
      plain: fc.string(),
      account: fc.record({ password: fc.string(), user: fc.string() }, { requiredKeys: [] }),
      list: fc.array(fc.record({ token: fc.string(), name: fc.string() }, { requiredKeys: [] }), { maxLength: 3 }),
      map: fc.dictionary(
        fc.string().filter((name) => name !== "__proto__"),
        fc.record({ token: fc.string() }, { requiredKeys: [] }),
        { maxKeys: 3 },
      ),
    },
    { requiredKeys: [] },
  );
  const secretsOf = (given: unknown): string[] =>
    typeof given !== "object" || given === null
      ? []
      : Object.entries(given).flatMap(([name, child]) =>
          ["key", "password", "token"].includes(name) && typeof child === "string" ? [child] : secretsOf(child),
        );

  test("leaves no secret in clear and everything else as it was", async () => {
    await fc.assert(
      fc.asyncProperty(value, async (given) => {
        const sealed = await replaceSecrets(given, places, seal);
        expect(secretsOf(sealed)).toEqual([]);
        const opened = await replaceSecrets(sealed, places, async (box) =>
          JSON.parse((box as { $sealed: string }).$sealed.slice(1, -1)),
        );
        expect(opened).toEqual(given);
      }),
    );
  });

  test("what may be shown holds nothing sealed, and is otherwise the same", async () => {
    await fc.assert(
      fc.asyncProperty(value, async (given) => {
        const shown = withoutSecrets(await replaceSecrets(given, places, seal));
        expect(JSON.stringify(shown)).not.toContain("$sealed");
        expect((shown as { plain?: string }).plain).toBe(given.plain);
      }),
    );
  });

  test("keeping never changes what was given, and takes over only what was left out", async () => {
    await fc.assert(
      fc.asyncProperty(value, value, async (given, before) => {
        const stored = await replaceSecrets(before, places, seal);
        const merged = keepSecrets(given, stored, places);
        expect(merged).toMatchObject(given);
        if (before.key !== undefined && given.key === undefined)
          expect(merged.key).toEqual({ $sealed: `<${JSON.stringify(before.key)}>` });
        if (given.account === undefined) expect(merged.account).toBeUndefined();
        if (given.list !== undefined) expect(merged.list).toEqual(given.list);
      }),
    );
  });
});

test("a kept secret satisfies the schema, and nothing that a caller could send does", () => {
  const schema = {
    type: "object",
    properties: { key: { type: "string", minLength: 8, writeOnly: true } },
    required: ["key"],
  };
  const lenient = compileSchema(schemaWithKept(schema, "nonce"));
  expect(lenient.problems({ key: keptPlaceholder("nonce") })).toEqual([]);
  expect(lenient.problems({ key: keptPlaceholder("guess") })).not.toEqual([]);
  expect(lenient.problems({ key: "short" })).toEqual([
    { path: "/key", message: "must NOT have fewer than 8 characters" },
  ]);
  expect(lenient.problems({ key: "long enough" })).toEqual([]);
});
