/** One thing a process needs; `problem` is null while all is well. Must answer fast: from memory, or within 2 s. */
export interface HealthCheck {
  readonly name: string;
  /** A critical one makes the process not ready; another only shows as degraded. */
  readonly critical: boolean;
  problem(): string | null | Promise<string | null>;
  /** In which of its states it is, for people; for what has more than "there" and "not there". */
  state?(): string;
}

export interface HealthReport {
  readonly ready: boolean;
  readonly checks: ReadonlyArray<{
    readonly name: string;
    readonly critical: boolean;
    readonly problem: string | null;
    readonly state?: string;
  }>;
}

const CHECK_DEADLINE_MS = 2_000;

/** Asks every check at once; one that throws or is late has that as its problem. */
export async function checkHealth(checks: readonly HealthCheck[]): Promise<HealthReport> {
  const results = await Promise.all(
    checks.map(async ({ name, critical, problem, state }) => ({
      name,
      critical,
      problem: await answer(problem),
      ...(state === undefined ? {} : { state: state() }),
    })),
  );
  return { ready: results.every((result) => !result.critical || result.problem === null), checks: results };
}

async function answer(problem: HealthCheck["problem"]): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${CHECK_DEADLINE_MS} ms`), CHECK_DEADLINE_MS);
  });
  try {
    return await Promise.race([problem(), late]);
  } catch (error) {
    return (error as Error).message;
  } finally {
    clearTimeout(timer);
  }
}
