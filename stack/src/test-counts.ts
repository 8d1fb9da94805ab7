/** What of jest's JSON results is counted. */
export interface JestCounts {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  /** Files that could not be run at all. */
  readonly numRuntimeErrorTestSuites: number;
}

/**
 * The line a test run ends with, and whether it counts as failed. A file that could not be run is a failure, and so is
 * a run that executed no test.
 * @param counts undefined when jest ended without results.
 */
export function closingLine(counts: JestCounts | undefined): { readonly line: string; readonly failed: boolean } {
  if (counts === undefined) return { line: "0 passed, 1 failed", failed: true };
  const failed = counts.numFailedTests + counts.numRuntimeErrorTestSuites;
  const executed = counts.numPassedTests + failed;
  return { line: `${counts.numPassedTests} passed, ${failed} failed`, failed: failed > 0 || executed === 0 };
}
