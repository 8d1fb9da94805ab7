import { describe, expect, test } from "@jest/globals";
import { registrationSchema } from "@plugboard/contract";
import { z } from "zod";
import { compileSchema } from "../../src/domain/json-schema.ts";
import { registrationProblems } from "../../src/domain/registration.ts";

const named = (pattern: string) => ({ type: "object", properties: { name: { type: "string", pattern } } });

describe("uniqueItems", () => {
  const schema = { type: "object", properties: { list: { type: "array", uniqueItems: true } } };
  const duplicate = [{ path: "/list", message: "must NOT have duplicate items" }];

  test.each<[unknown[], unknown[]]>([
    [[1, "1", true, null, [1], { a: 1 }], []],
    [
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
      duplicate,
    ],
    [[1, 1.0], duplicate],
    [
      [
        [1, 2],
        [2, 1],
      ],
      [],
    ],
  ])("of %j", (list, problems) => {
    for (const $schema of ["https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"])
      expect(compileSchema({ $schema, ...schema }).problems({ list })).toEqual(problems);
  });

  test("answers for a list that would take many seconds item by item", () => {
    const list = Array.from({ length: 30_000 }, (_, n) => [n]);
    expect(compileSchema(schema).problems({ list })).toEqual([]);
    expect(compileSchema(schema).problems({ list: [...list, [7]] })).toEqual(duplicate);
  });
});

describe("a property that every JavaScript object inherits", () => {
  test.each(["constructor", "toString", "valueOf", "hasOwnProperty"])("%s is there only where it was sent", (name) => {
    const schema = { type: "object", properties: { [name]: { type: "string" } } };
    expect(compileSchema(schema).problems({})).toEqual([]);
    expect(compileSchema(schema).problems({ [name]: 1 })).toEqual([{ path: `/${name}`, message: "must be string" }]);
    expect(compileSchema({ ...schema, required: [name] }).problems({})).toEqual([
      { path: `/${name}`, message: "is required" },
    ]);
    expect(compileSchema({ ...schema, required: [name] }).problems({ [name]: "x" })).toEqual([]);
  });
});

describe("patterns of a schema", () => {
  test.each([
    ["^[A-Z]{2}$", "KE", "kenya"],
    ["^\\d{1,3}(\\.\\d+)?$", "12.5", "12,5"],
    ["b+", "abc", "acd"],
    ["^[\\u00e0-\\u00ff]+$", "éè", "ee"],
    ["^a\\/b$", "a/b", "ab"],
  ])("%s takes %s and not %s", (pattern, good, bad) => {
    const schema = compileSchema(named(pattern));
    expect(schema.problems({ name: good })).toEqual([]);
    expect(schema.problems({ name: bad })).toEqual([{ path: "/name", message: `must match pattern "${pattern}"` }]);
  });

  test("answer where a backtracking engine would take forever", () => {
    expect(compileSchema(named("^(a+)+$")).problems({ name: `${"a".repeat(5_000)}!` })).toHaveLength(1);
    const keys = { type: "object", patternProperties: { "^(a|a)*$": { type: "string" } } };
    expect(compileSchema(keys).problems({ [`${"a".repeat(5_000)}!`]: 1, aa: 1 })).toEqual([
      { path: "/aa", message: "must be string" },
    ]);
  });

  test("are told apart within one schema", () => {
    const schema = compileSchema({
      type: "object",
      properties: { small: { pattern: "^[a-z]+$" }, large: { pattern: "^[A-Z]+$" } },
    });
    expect(schema.problems({ small: "a", large: "A" })).toEqual([]);
    expect(schema.problems({ small: "A", large: "a" }).map(({ path }) => path)).toEqual(["/small", "/large"]);
  });

  test("that zod writes for its formats are taken", () => {
    const settings = z.object({ mail: z.email(), day: z.iso.date(), at: z.iso.datetime(), id: z.uuid(), url: z.url() });
    const schema = compileSchema(z.toJSONSchema(settings));
    const good = { mail: "a@b.org", day: "2026-01-31", at: "2026-01-31T10:00:00Z", url: "https://b.org" };
    expect(schema.problems({ ...good, id: "7b0cf2a4-6a3e-4f6e-9d2b-0c6a1f0e5a11" })).toEqual([]);
    expect(schema.problems({ ...good, mail: "a", id: "x" }).map(({ path }) => path)).toContain("/mail");
  });

  test.each([
    ["a look-ahead", "^(?!admin)", "invalid or unsupported Perl syntax: `(?!`"],
    ["a back-reference", "^(a)\\1$", "invalid escape sequence: `\\1`"],
    ["endless repetition", "^([a-z]{1,100}){9}$", "repeats too much"],
    ["a great length", "a".repeat(501), "longer than 500 characters"],
  ])("with %s are refused when the plugin registers", (_what, pattern, reason) => {
    const registration = registrationSchema.parse({
      name: "Plugin",
      description: "Has a pattern.",
      url: "http://127.0.0.1:4900",
      version: "1.0.0",
      events: ["onResponse"],
      settings: named(pattern),
    });
    const problems = registrationProblems("plugin", registration);
    expect(problems).toEqual([{ path: "/settings", message: expect.stringContaining(reason) }]);
    expect(problems[0]?.message).toContain("is not a valid JSON Schema: the pattern ");
  });
});
