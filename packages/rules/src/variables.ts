import type { EventAttributes } from "@plugboard/contract";

/**
 * How deep lists and objects of the data may stand in each other, `data` itself included; `data.answers.visits[0].goods`
 * is five. The CEL library remembers the nested type of every value that it compares, for good: one value nested 8,000
 * deep took it 2.5 s and 1 GB.
 */
const NESTING_MAX = 10;

/** What an expression sees of an event. */
export interface Variables {
  readonly event: Readonly<Record<string, unknown>>;
  readonly data: object;
  readonly answers: Readonly<Record<string, unknown>>;
  /** Whether `data` is nested too deep for any expression. */
  readonly tooDeep: boolean;
}

/** An event as expressions see it; made once per event where several expressions are asked. */
export function variablesOf(event: EventAttributes, data: object): Variables {
  const answers = (data as { answers?: unknown }).answers;
  return {
    event: {
      id: event.id,
      source: event.source,
      type: event.type,
      team: event.teamId,
      form: event.formId,
      response: event.responseId,
      revision: event.revision,
      time: event.time,
    },
    data,
    answers: isRecord(answers) ? answers : {},
    tooDeep: isDeeperThan(data, NESTING_MAX),
  };
}

/** Recursion ends at the limit, so a value that contains itself is only deep. */
function isDeeperThan(value: object, levels: number): boolean {
  if (levels === 0) return true;
  if (Array.isArray(value)) return value.some((item) => isNested(item) && isDeeperThan(item, levels - 1));
  for (const key in value) {
    const item = (value as Record<string, unknown>)[key];
    if (isNested(item) && isDeeperThan(item, levels - 1)) return true;
  }
  return false;
}

function isNested(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return isNested(value) && !Array.isArray(value);
}
