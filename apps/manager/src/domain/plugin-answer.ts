import type { PluginAnswer } from "./ports.ts";

/** Why an answer could not be used, for a log or a task's record: its status, or what became of the call. */
export function unusable(answer: PluginAnswer): string {
  return answer.kind === "answered" ? `it answered ${answer.status}` : answer.error;
}
