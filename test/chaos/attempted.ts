/** A port may be taken while its process is down, or a process not start: then all of it is done anew, so many times. */
export const ATTEMPTS_MAX = 3;

/**
 * Runs chaos until everything in it was done as it is meant: what was not says nothing about what is tested. What is broken
 * does, whatever was done.
 * @param title of the run, printed with what kept it from being done.
 * @param run is given where to report what it does.
 * @param isClean whether nothing is broken.
 * @throws what the last attempt failed with.
 */
export async function attempted<Result extends { readonly notDone: readonly string[] }>(
  title: string,
  run: (report: (line: string) => void) => Promise<Result>,
  isClean: (result: Result) => boolean,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    const lines: string[] = [];
    const failure = await run((line) => void lines.push(line)).then(
      (result) => (isClean(result) && result.notDone.length > 0 ? new Error(result.notDone.join("; ")) : result),
      (error: Error) => error,
    );
    if (!(failure instanceof Error)) return failure;
    process.stderr.write(`${title}: ${failure.message}\n${lines.join("\n")}\n`);
    if (attempt === ATTEMPTS_MAX) throw failure;
  }
}
