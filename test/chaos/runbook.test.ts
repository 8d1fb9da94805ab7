import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { projectRoot } from "@plugboard/stack";
import { FAULTS } from "./faults/all.ts";
import { readRunbook, runbookBlocks, runbookSections } from "./runbook-blocks.ts";

const alerts = readFileSync(join(projectRoot(), "deploy", "prometheus", "alerts.yml"), "utf8");
const alertNames = [...alerts.matchAll(/^ *- alert: (\w+)$/gm)].map((match) => match[1] ?? "");
const text = readRunbook();

/** Titles of the sections under a chapter. */
function under(chapter: string): string[] {
  const [, ...chapters] = text.split(/^## /m);
  const found = chapters.find((part) => part.startsWith(`${chapter}\n`));
  if (found === undefined) throw new Error(`docs/RUNBOOK.md has no chapter "${chapter}"`);
  return runbookSections(3, found);
}

describe("the runbook", () => {
  test("has a section for each alert, and none for an alert there is not", () => {
    expect(alertNames.length).toBeGreaterThan(20);
    expect(under("Alerts").toSorted()).toEqual(alertNames.toSorted());
  });

  test("is where every alert's link points", () => {
    const links = [...alerts.matchAll(/runbook_url: docs\/RUNBOOK\.md#(\S+)/g)].map((match) => match[1]);
    expect(links).toEqual(alertNames.map((name) => name.toLowerCase()));
  });

  test("has a section for each fault of npm run chaos, and none for a fault there is not", () => {
    expect(under("Failures of the parts").toSorted()).toEqual(FAULTS.map(({ name }) => name).toSorted());
  });

  test("links only to its own sections", () => {
    const anchors = [...runbookSections(2), ...runbookSections(3)].map((title) =>
      title
        .toLowerCase()
        .replaceAll(/[^a-z0-9 -]/g, "")
        .replaceAll(" ", "-"),
    );
    expect(new Set(anchors).size).toBe(anchors.length);
    const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map((match) => match[1] ?? "");
    expect(links.filter((link) => !anchors.includes(link))).toEqual([]);
  });

  test("names what to see, what it means, what to do and when it is over, in every section of an alert or a failure", () => {
    const sections = text.slice(text.indexOf("\n## Alerts")).split(/^### /m).slice(1);
    const incomplete = sections.filter(
      (section) =>
        ["See", "Data", "Do"].some((part) => !section.includes(`- **${part}**: `)) ||
        !section.includes("- **Over when** "),
    );
    expect(incomplete).toEqual([]);
  });

  test("quotes only log lines that there are", () => {
    const sources = globSync("{apps,packages,examples}/*/src/**/*.ts", { cwd: projectRoot() });
    const code = sources.map((file) => readFileSync(join(projectRoot(), file), "utf8")).join("\n");
    const seen = [...text.matchAll(/^- \*\*See\*\*: .*$/gm)].map(([line]) => line).join("\n");
    const quoted = [...seen.matchAll(/`([a-z][a-z,:;'-]*(?: [a-z][a-z,:;'-]*){2,})`/g)].map((match) => match[1] ?? "");
    expect(quoted.length).toBeGreaterThan(20);
    expect(quoted.filter((line) => !code.includes(line))).toEqual([]);
  });

  test("has most of its commands run by the drill", () => {
    const blocks = runbookBlocks();
    expect(blocks.filter(({ drilled }) => drilled).length).toBeGreaterThan(blocks.length / 2);
  });
});
