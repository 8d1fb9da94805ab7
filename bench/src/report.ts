import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "@plugboard/stack";
import { chartOf } from "./chart.ts";
import { markdown } from "./grid.ts";
import type { Result } from "./result.ts";
import { readResults } from "./result-files.ts";
import { gridsOf } from "./tables.ts";

/** What shows the results, each those that it is for. */
const DOCUMENTS = [
  { document: "docs/performance.md", shows: ({ kind }: Result) => !kind.startsWith("sdk-") },
  { document: "docs/guarantees.md", shows: ({ kind }: Result) => kind.startsWith("sdk-") },
] as const;
const CHARTS = "bench/results";

/** Puts all results that are no trials into their documents, and draws their charts. @returns the names of results by document. */
export function writeReport(): { readonly document: string; readonly names: readonly string[] }[] {
  const all = readResults();
  for (const result of all) {
    const svg = chartOf(result);
    if (svg !== undefined) writeFileSync(join(projectRoot(), CHARTS, `${result.name}.svg`), svg);
  }
  return DOCUMENTS.map(({ document, shows }) => {
    const results = all.filter(shows);
    const file = join(projectRoot(), document);
    writeFileSync(file, withResults(readFileSync(file, "utf8"), results));
    return { document, names: results.map(({ name }) => name) };
  });
}

/**
 * The document with the part between each pair of markers made anew: `<!-- results:<name> -->` … `<!-- end -->` holds the
 * result of that name, or says that there is none.
 * @throws when a result has no place in it: a number that is measured must be seen.
 */
export function withResults(document: string, results: readonly Result[]): string {
  const byName = new Map(results.map((result) => [result.name, result]));
  const placed = new Set<string>();
  const filled = document.replace(
    /(<!-- results:([a-z0-9-]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, open: string, name: string, close: string) => {
      placed.add(name);
      return `${open}\n${section(byName.get(name))}\n\n${close}`;
    },
  );
  const homeless = [...byName.keys()].filter((name) => !placed.has(name));
  if (homeless.length > 0) throw new Error(`its document has no place for: ${homeless.join(", ")}`);
  return filled;
}

function section(result: Result | undefined): string {
  if (result === undefined) return "Not measured yet.";
  const { machine, at, commit, command, name } = result;
  const memory = `${Math.round(machine.memoryBytes / 2 ** 30)} GiB`;
  const where = `\`${command}\`, ${at.slice(0, 10)}, commit ${commit}; ${machine.cores} cores (${machine.cpu}), ${memory}, Node ${machine.node}, broker's data on ${machine.disk}.`;
  const chart = chartOf(result) === undefined ? [] : [`![${name}](../${CHARTS}/${name}.svg)`];
  return [where, ...chart, ...gridsOf(result).map(markdown)].join("\n\n");
}
