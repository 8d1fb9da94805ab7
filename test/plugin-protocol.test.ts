import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import {
  coreCommandSchema,
  DEAD_LETTER_HEADER,
  DELIVERY_HEADER,
  DERIVED_HEADROOM_BYTES,
  deliveryId,
  deliveryOutcomeSchema,
  deliveryRecordSchema,
  EVENT_HEADER,
  eventNameSchema,
  FAILURES,
  flagSchema,
  LEASE_SECONDS,
  pluginIdSchema,
  pluginTopics,
  RECORD_BYTES_MAX,
  registrationResponseSchema,
  registrationSchema,
  SEALED_FIELD,
  STRUCTURED_CONTENT_TYPE,
} from "@plugboard/contract";
import { CHECK_NAMES } from "@plugboard/plugin-sdk/conformance";
import { BODY_BYTES_MAX, createRegistry } from "@plugboard/runtime";
import { projectRoot } from "@plugboard/stack";

const DOCUMENT = readFileSync(join(projectRoot(), "docs", "plugin-protocol.md"), "utf8");

/** The rows of the table whose first row of headings begins so; cells without their back-quotes. */
function table(...headings: string[]): string[][] {
  const lines = DOCUMENT.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${headings.join(" | ")}`));
  if (start < 0) throw new Error(`docs/plugin-protocol.md has no table ${headings.join(", ")}`);
  const end = lines.findIndex((line, index) => index > start && !line.startsWith("|"));
  return lines.slice(start + 2, end).map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}
const plain = (cell: string | undefined) => (cell ?? "").replaceAll("`", "");
/** A section's text, from its heading to the next of the same depth. */
function section(heading: string): string {
  const [, text = ""] = DOCUMENT.split(`\n${heading}\n`);
  return text.split(new RegExp(`\\n#{2,${heading.indexOf(" ")}} `))[0] ?? "";
}
/** All tables of a section, first cells only. */
function firstCells(heading: string): string[] {
  const rows = section(heading).match(/^\| `[^|]*\|/gm) ?? [];
  return rows.map((row) => plain(row.slice(1, -1)).trim());
}
const optionalIn = (schema: { safeParse(value: unknown): { success: boolean } }, example: object) =>
  Object.keys(example).filter((key) => {
    const { [key]: _, ...rest } = example as Record<string, unknown>;
    return schema.safeParse(rest).success;
  });

describe("docs/plugin-protocol.md says what the contract says", () => {
  test("ids and event names", () => {
    const patterns = table("what", "pattern").map(([, pattern]) => new RegExp(plain(pattern)));
    for (const text of ["a", "a-1", "A", "a_b", "1", "", "x".repeat(64), "x".repeat(65), "onResponse", "1st", "a.b"]) {
      expect([text, patterns[0]?.test(text)]).toEqual([text, pluginIdSchema.safeParse(text).success]);
      expect([text, patterns[1]?.test(text)]).toEqual([text, eventNameSchema.safeParse(text).success]);
    }
  });

  test("the registration's fields, which of them are required, and the answer's", () => {
    const rows = table("field", "required", "meaning");
    expect(rows.map(([name]) => plain(name))).toEqual(Object.keys(registrationSchema.shape));
    const example = {
      name: "A",
      description: "",
      url: "http://a.example",
      version: "1",
      events: [],
      settings: { type: "object" },
      actions: [],
      sync: null,
      priorityEvents: [],
      publicKey: null,
      enablements: false,
    };
    const documented = rows.filter(([, required]) => required === "no").map(([name]) => plain(name));
    expect(optionalIn(registrationSchema, example)).toEqual(documented);
    expect(registrationSchema.safeParse({ ...example, more: 1 }).success).toBe(false);
    expect(table("field", "meaning").map(([name]) => plain(name))).toEqual(
      Object.keys(registrationResponseSchema.shape),
    );
    expect(section("### Instances")).toContain(`(${LEASE_SECONDS} s unless`);
  });

  test("topics", () => {
    const documented = table("topic", "what is in it").map(([name]) => plain(name).replace("<id>", "sms"));
    expect(documented.sort()).toEqual(Object.values(pluginTopics("sms")).sort());
    expect(section("### Topics")).toContain((RECORD_BYTES_MAX + DERIVED_HEADROOM_BYTES).toLocaleString("en-US"));
    expect(section("## The plugin's HTTP surface")).toContain(BODY_BYTES_MAX.toLocaleString("en-US"));
  });

  test("the envelopes' headers, and the router's", () => {
    const { specversion: _, contentType: __, ...attributes } = EVENT_HEADER;
    const documented = table("attribute", "binary, header").map(([, header]) => plain(header));
    expect(documented.sort()).toEqual(Object.values(attributes).sort());
    expect(DOCUMENT).toContain(STRUCTURED_CONTENT_TYPE);
    const router = firstCells("### The record").filter((name) => name.startsWith("pb-"));
    expect(router).toEqual(Object.values(DELIVERY_HEADER));
  });

  test("the headers of dead letters", () => {
    expect(firstCells("### Retries and dead letters")).toEqual(Object.values(DEAD_LETTER_HEADER));
  });

  test("the identity's example is what the contract derives", () => {
    const [, example] =
      /deliveryId\("team-1", "sms", "core", "event-1"\).*= (sms\.[0-9a-f]{32})\n/.exec(DOCUMENT) ?? [];
    expect(example).toBe(deliveryId("team-1", "sms", "core", "event-1"));
  });

  test("the outcome's fields, which of them may be null, and every outcome", () => {
    const rows = table("field", "type");
    const { shape } = deliveryRecordSchema;
    expect(rows.map(([name]) => plain(name))).toEqual(Object.keys(shape));
    const nullable = rows.filter(([, type]) => type?.includes("or null")).map(([name]) => plain(name));
    expect(Object.entries(shape).flatMap(([name, one]) => (one.safeParse(null).success ? [name] : []))).toEqual(
      nullable,
    );
    expect(table("outcome", "when").map(([name]) => plain(name))).toEqual(deliveryOutcomeSchema.options);
  });

  test("the command that sends a response back", () => {
    const [command] = coreCommandSchema.options;
    expect(table("field", "value").map(([name]) => plain(name))).toEqual(Object.keys(command.shape));
    expect(DOCUMENT).toContain(`[{"${Object.keys(flagSchema.shape).join('","')}"}]`);
  });

  test("every failure code with its status, and the field of sealed secrets", () => {
    expect(section("### Secrets")).toContain(`{"${SEALED_FIELD}":`);
    const statuses = table("the plugin answers", "the team gets").flatMap(([, gets]) => {
      const [, status, code] = /^(\d{3}) `([a-z-]+)`$/.exec(gets ?? "") ?? [];
      return code === undefined ? [] : [[code, Number(status)] as const];
    });
    expect(statuses.length).toBe(5);
    for (const [code, status] of statuses)
      expect([code, FAILURES[code as keyof typeof FAILURES]?.status]).toEqual([code, status]);
    for (const [, code] of section("## The plugin's HTTP surface").matchAll(/\d{3} with `([a-z-]+)`/g))
      expect(Object.keys(FAILURES)).toContain(code);
  });

  test("every check of the conformance suite, in their order", () => {
    expect(table("check", "what is done").map(([name]) => plain(name))).toEqual(CHECK_NAMES);
  });

  test("every path of the manager that it names is one the manager has", async () => {
    const { pluginRoutes } = await import("../apps/manager/src/http/plugin-routes.ts");
    const { platformRoutes } = await import("../apps/manager/src/http/platform-routes.ts");
    const nothing = {} as never;
    const routes = [...pluginRoutes(nothing), ...platformRoutes(nothing)];
    const known = routes
      .filter(({ roles }) => roles.includes("plugin"))
      .map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    const documented = table("method", "path", "body").map(([method, path]) => `${method} ${plain(path)}`);
    expect(documented.filter((route) => !known.includes(route))).toEqual([]);
    const answered = await import("../packages/plugin-sdk/src/http/plugin-app.ts");
    const surface = answered.pluginApp({
      checks: [],
      registry: createRegistry(),
      secret: { current: () => null },
    } as never);
    const served = surface.router.stack.flatMap(({ route }) =>
      route === undefined ? [] : route.stack.map(({ method }) => `${method.toUpperCase()} ${route.path}`),
    );
    const described = table("method", "path", "signed").map(
      ([method, path]) => `${method} ${plain(path).replace("{name}", ":name")}`,
    );
    expect(described.filter((one) => !/z$/.test(one)).sort()).toEqual([...new Set(served)].sort());
  });
});
