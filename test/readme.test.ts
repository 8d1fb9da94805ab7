import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { projectRoot, uniqueName, waitUntil } from "@plugboard/stack";
import { PlugboardUnderTest } from "./plugboard-under-test.ts";

const README = readFileSync(join(projectRoot(), "README.md"), "utf8");
const PLUGIN = /```ts\n([\s\S]*?)```/.exec(README)?.[1] ?? "";

// Inside the repository, where the README says to save it, so that its imports are found.
const directory = join(projectRoot(), ".plugboard", uniqueName("readme"));
const notebook = join(directory, "notebook.txt");
let plugboard: PlugboardUnderTest;

beforeAll(async () => {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "my-plugin.ts"), PLUGIN.replace('"notebook.txt"', JSON.stringify(notebook)));
  plugboard = await PlugboardUnderTest.open();
}, 120_000);
afterAll(async () => {
  await plugboard?.close();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

test("the README's plugin is complete in under 30 lines", () => {
  expect(PLUGIN).toContain("runPlugin(");
  expect(PLUGIN.trimEnd().split("\n").length).toBeLessThan(30);
});

test("the README's plugin, saved and started, gets the responses of a team that switches it on", async () => {
  const entry = relative(projectRoot(), join(directory, "my-plugin.ts"));
  await Promise.all([plugboard.startRouter(), plugboard.startPlugin("notebook", {}, entry)]);
  await plugboard.enable("team-a", "notebook");
  await plugboard.emit([{ team: "team-a", id: "e-1", response: "r-1", data: { answers: {}, collector: "you" } }]);
  const written = await waitUntil("the plugin writes the response down", 40_000, () => {
    try {
      return readFileSync(notebook, "utf8");
    } catch {
      return undefined;
    }
  });
  expect(written).toBe("r-1 Collected by you\n");
}, 120_000);
