import { Liquid, LiquidError } from "liquidjs";

/** Longest message that Twilio takes, in characters. */
const MESSAGE_LENGTH_MAX = 1_600;
/** A template is the team's: it gets this long and this much, then it is refused. */
const RENDER_MS_MAX = 200;
const RENDER_MEMORY_MAX = 1_000_000;

/** Templates see no files (`templates` replaces the file system) and nothing but own properties. */
const engine = new Liquid({
  templates: {},
  ownPropertyOnly: true,
  strictFilters: true,
  cache: 1_000,
  parseLimit: 20_000,
  renderLimit: RENDER_MS_MAX,
  memoryLimit: RENDER_MEMORY_MAX,
});

/** What is wrong with a template, and where, from 1; null when it parses. */
export function templateProblem(template: string): string | null {
  try {
    engine.parse(template);
    return null;
  } catch (error) {
    return describeError(error);
  }
}

export type Rendered =
  | { readonly kind: "message"; readonly text: string }
  | { readonly kind: "refused"; readonly reason: string };

/** Fills a template in. Unknown variables are empty, as Liquid has it. */
export function renderMessage(template: string, scope: Readonly<Record<string, unknown>>): Rendered {
  let text: string;
  try {
    text = String(engine.parseAndRenderSync(template, { ...scope })).trim();
  } catch (error) {
    return { kind: "refused", reason: `the template failed: ${describeError(error)}` };
  }
  if (text === "") return { kind: "refused", reason: "the template gave an empty message" };
  if (text.length > MESSAGE_LENGTH_MAX) {
    return {
      kind: "refused",
      reason: `the message has ${text.length} characters; at most ${MESSAGE_LENGTH_MAX} can be sent`,
    };
  }
  return { kind: "message", text };
}

function describeError(error: unknown): string {
  if (!LiquidError.is(error)) return error instanceof Error ? error.message : String(error);
  const message = error.message.replace(/, (file:.*?)?line:\d+, col:\d+.*$/s, "");
  const [line, column] = error.token.getPosition();
  return `${message} (line ${line}, column ${column})`;
}
