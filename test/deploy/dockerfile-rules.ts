import { validate } from "dockerfile-utils";
import { type Stage, type Step, stagesOf, wholeStage } from "./docker-stages.ts";

/** Something a Dockerfile should not have: the rule's name, and where. */
export interface Finding {
  readonly rule: string;
  readonly where: string;
}

type Rule = (stages: readonly Stage[], text: string) => string[];

const at = (line: number, what: string) => `line ${line}: ${what}`;
const stepsOf = (stages: readonly Stage[]) => stages.flatMap(({ steps }) => steps);
const runs = (stages: readonly Stage[]) =>
  stepsOf(stages).filter((step): step is Extract<Step, { kind: "run" }> => step.kind === "run");
const others = (stages: readonly Stage[], ...keywords: string[]) =>
  stepsOf(stages).filter(
    (step): step is Extract<Step, { kind: "other" }> => step.kind === "other" && keywords.includes(step.keyword),
  );
/** Stages that an image is made of: those with a command. */
const images = (stages: readonly Stage[]) => stages.filter(({ steps }) => steps.some(({ kind }) => kind === "cmd"));
const runsWith = (stages: readonly Stage[], pattern: RegExp) =>
  runs(stages)
    .filter(({ command }) => pattern.test(command))
    .map(({ line, command }) => at(line, command));

/** The rules, in the spirit of hadolint's: each is shown to find what it is for by a test. */
export const RULES: Readonly<Record<string, Rule>> = {
  "is well-formed": (_stages, text) =>
    validate(text).map(({ message, range }) => at(range.start.line + 1, String(message))),
  "begins with an image of an exact version": (stages) =>
    stages
      .filter(({ base }) => !stages.some(({ name }) => name === base) && base !== "scratch")
      .filter(({ base }) => !/:\d+\.\d+\.\d+(-[a-z0-9.]+)*(@sha256:[0-9a-f]{64})?$/.test(base))
      .map(({ line, base }) => at(line, base)),
  "runs as a user without rights": (stages) =>
    images(stages)
      .filter(({ name }) => {
        const user = wholeStage(stages, name).steps.findLast(({ kind }) => kind === "user");
        return user === undefined || user.kind !== "user" || /^(root|0)(:|$)/.test(user.value);
      })
      .map(({ line, name }) => at(line, name)),
  "says how its health is asked": (stages) =>
    images(stages)
      .filter(({ name }) => !wholeStage(stages, name).steps.some((step) => step.kind === "healthcheck" && step.words))
      .map(({ line, name }) => at(line, name)),
  "gives commands word by word, so that signals reach the process": (stages) =>
    stepsOf(stages)
      .filter((step) => (step.kind === "cmd" || step.kind === "entrypoint") && step.words === null)
      .map(({ line }) => at(line, "a shell's command line")),
  "works in an absolute directory": (stages) =>
    stepsOf(stages)
      .filter((step) => step.kind === "workdir" && !step.value.startsWith("/"))
      .map(({ line }) => at(line, "a relative WORKDIR")),
  "adds nothing from elsewhere": (stages) => others(stages, "ADD").map(({ line, text }) => at(line, text)),
  "has no sudo, no cd and no download piped into a shell": (stages) =>
    runsWith(stages, /(^|[;&|]\s*)(sudo|cd)\s|(curl|wget)[^;&]*\|\s*(ba)?sh/),
  "installs system packages without leaving lists behind": (stages) =>
    runs(stages)
      .filter(({ command }) => /apt(-get)?\s.*install/s.test(command))
      .filter(
        ({ command }) =>
          !(command.includes("--no-install-recommends") && command.includes("rm -rf /var/lib/apt/lists")),
      )
      .map(({ line, command }) => at(line, command)),
  "installs what the lock file says": (stages) => runsWith(stages, /\bnpm\s+(i|install|add)\b/),
  "puts no secret into a layer": (stages) => [
    ...stepsOf(stages).flatMap((step) =>
      step.kind === "env"
        ? Object.keys(step.values)
            .filter((name) => SECRET.test(name))
            .map((name) => at(step.line, name))
        : [],
    ),
    ...others(stages, "ARG")
      .filter(({ text }) => SECRET.test(text))
      .map(({ line, text }) => at(line, text)),
  ],
  "takes from stages that come before": (stages) =>
    stages.flatMap(({ steps }, index) =>
      steps.flatMap((step) =>
        step.kind === "copy" && step.from !== null && !stages.slice(0, index).some(({ name }) => name === step.from)
          ? [at(step.line, step.from)]
          : [],
      ),
    ),
};

const SECRET = /token|secret|password|passwd|private|_key\b|credential/i;

/** Everything the rules find in a Dockerfile. */
export function findings(text: string): Finding[] {
  const stages = stagesOf(text);
  return Object.entries(RULES).flatMap(([rule, find]) => find(stages, text).map((where) => ({ rule, where })));
}
