import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createGround, registration, type TestGround, type TestManager } from "../test-manager.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../../../docs/filters-and-rules.md"), "utf8");
const blocks = (kind: string) =>
  [...PAGE.matchAll(new RegExp(`\`\`\`json ${kind}\n(.*?)\n\`\`\``, "gs"))].map(([, text = ""]) => JSON.parse(text));
const [sample] = blocks("sample");
const cases = blocks("try").flat() as { draft: object; path?: string; says: string; told?: string }[];

let ground: TestGround;
let manager: TestManager;
beforeAll(async () => {
  ground = await createGround();
  manager = await ground.start();
  await manager.call("PUT", "/v1/plugins/plain", registration());
  await manager.call("PUT", "/v1/teams/red/plugins/plain", { enabled: true });
});
afterAll(() => ground.clear());

test("docs/filters-and-rules.md has thirteen trials", () => expect(cases).toHaveLength(13));

test.each(cases)("try says of $draft what the page says", async ({ draft, path = "async", says, told = "" }) => {
  const { body } = await manager.call("POST", "/v1/teams/red/plugins/plain/try", { event: sample, draft, path });
  expect(body.reason ?? "routed").toBe(says);
  expect(body.explanation).toContain(told);
});
