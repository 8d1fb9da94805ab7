import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "@jest/globals";
import { SPENT, spentDeadlinesIn } from "./spent-deadlines.ts";

const folder = mkdtempSync(join(tmpdir(), "spent-deadlines-"));
afterAll(() => rmSync(folder, { recursive: true }));

function logOf(name: string, lines: readonly object[], last = ""): string {
  const file = join(folder, name);
  writeFileSync(file, `${lines.map((line) => `${JSON.stringify(line)}\n`).join("")}${last}`);
  return file;
}

describe("the logs of plugins' processes", () => {
  test("say of each delivery when its handler's time was over, also where the process was killed in the middle of a line", () => {
    const time = "2026-01-02T03:04:05.678Z";
    const line = { time, msg: SPENT, deliveries: ["a", "b"], waitedMs: 3_998, reason: "no answer within 4000 ms" };
    const again = { ...line, deliveries: ["b"], waitedMs: 4_001 };
    const files = [
      logOf("one.log", [{ time, msg: "started" }, line], JSON.stringify(line).slice(0, -20)),
      logOf("other.log", [again]),
    ];
    const { waitedMs, reason } = line;
    const first = { at: Date.parse(time), waitedMs, reason };
    expect([...spentDeadlinesIn(files)]).toEqual([
      ["a", [first]],
      ["b", [first, { ...first, waitedMs: 4_001 }]],
    ]);
  });
});
