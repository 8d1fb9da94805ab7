import {
  type Copy,
  DockerfileParser,
  type Env,
  type From,
  type Healthcheck,
  type JSONInstruction,
} from "dockerfile-ast";

/** One instruction, with what is needed of it. */
export type Step =
  | { readonly kind: "run"; readonly command: string; readonly line: number }
  | {
      readonly kind: "copy";
      readonly from: string | null;
      readonly sources: readonly string[];
      readonly target: string;
      readonly line: number;
    }
  | { readonly kind: "workdir"; readonly value: string; readonly line: number }
  | { readonly kind: "user"; readonly value: string; readonly line: number }
  | { readonly kind: "env"; readonly values: Readonly<Record<string, string>>; readonly line: number }
  | { readonly kind: "cmd"; readonly words: readonly string[] | null; readonly line: number }
  | { readonly kind: "entrypoint"; readonly words: readonly string[] | null; readonly line: number }
  | { readonly kind: "healthcheck"; readonly words: readonly string[] | null; readonly line: number }
  | { readonly kind: "other"; readonly keyword: string; readonly text: string; readonly line: number };

export interface Stage {
  readonly name: string;
  /** The stage or the image it begins with. */
  readonly base: string;
  readonly line: number;
  readonly steps: readonly Step[];
}

/** The stages of a Dockerfile, in order. */
export function stagesOf(text: string): Stage[] {
  const stages: (Stage & { steps: Step[] })[] = [];
  for (const instruction of DockerfileParser.parse(text).getInstructions()) {
    const line = instruction.getRange().start.line + 1;
    if (instruction.getKeyword() === "FROM") {
      const from = instruction as From;
      const name = from.getBuildStage() ?? `stage-${stages.length}`;
      stages.push({ name, base: from.getImage() ?? "", line, steps: [] });
    } else stages.at(-1)?.steps.push(stepOf(instruction, line));
  }
  return stages;
}

/** A stage's steps with those of the stages it begins with, and the image below them all. */
export function wholeStage(stages: readonly Stage[], name: string): { image: string; steps: readonly Step[] } {
  const stage = stages.find((candidate) => candidate.name === name);
  if (stage === undefined) return { image: name, steps: [] };
  const below = wholeStage(stages, stage.base);
  return { image: below.image, steps: [...below.steps, ...stage.steps] };
}

/** What an image of this stage runs, and is asked for its health, with which environment. */
export function imageOf(stages: readonly Stage[], name: string) {
  const { steps } = wholeStage(stages, name);
  const words = (kind: "cmd" | "healthcheck") =>
    steps.reduce<readonly string[] | null>((found, step) => (step.kind === kind ? step.words : found), null);
  return {
    command: words("cmd"),
    healthcheck: words("healthcheck"),
    environment: environmentOf(steps),
    user: steps.reduce<string | null>((found, step) => (step.kind === "user" ? step.value : found), null),
  };
}

/** What the ENV instructions of these steps set. */
export function environmentOf(steps: readonly Step[]): Record<string, string> {
  return Object.assign({}, ...steps.map((step) => (step.kind === "env" ? step.values : {})));
}

type Instruction = ReturnType<ReturnType<typeof DockerfileParser.parse>["getInstructions"]>[number];

function stepOf(instruction: Instruction, line: number): Step {
  const text = instruction.getArgumentsContent() ?? "";
  const words = () => instruction.getArguments().map((argument) => argument.getValue());
  switch (instruction.getKeyword()) {
    case "RUN":
      return { kind: "run", command: text, line };
    case "WORKDIR":
      return { kind: "workdir", value: text, line };
    case "USER":
      return { kind: "user", value: text, line };
    case "ENV": {
      const properties = (instruction as Env).getProperties();
      const values = properties.map((property) => [property.getName(), property.getValue() ?? ""]);
      return { kind: "env", values: Object.fromEntries(values), line };
    }
    case "COPY": {
      const paths = words();
      const from = (instruction as Copy).getFromFlag()?.getValue() ?? null;
      return { kind: "copy", from, sources: paths.slice(0, -1), target: paths.at(-1) ?? "", line };
    }
    case "CMD":
      return { kind: "cmd", words: execForm(instruction as JSONInstruction), line };
    case "ENTRYPOINT":
      return { kind: "entrypoint", words: execForm(instruction as JSONInstruction), line };
    case "HEALTHCHECK":
      return { kind: "healthcheck", words: checkOf(instruction as Healthcheck, text), line };
    default:
      return { kind: "other", keyword: instruction.getKeyword(), text, line };
  }
}

/** The words of an exec form, null for a shell form. */
function execForm(instruction: JSONInstruction): string[] | null {
  if (instruction.getOpeningBracket() === null) return null;
  return instruction.getJSONStrings().map((word) => word.getJSONValue());
}

/** The parser knows where the check's own command begins, and no more of it. */
function checkOf(instruction: Healthcheck, text: string): string[] | null {
  const subcommand = instruction.getSubcommand();
  if (subcommand?.getValue() !== "CMD") return null;
  const command = text.slice(text.indexOf("CMD") + "CMD".length).trim();
  return command.startsWith("[") ? (JSON.parse(command) as string[]) : null;
}
