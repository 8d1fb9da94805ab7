import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { eventNameSchema, ID_LENGTH_MAX } from "@plugboard/contract";
import { registrationProblems } from "../../apps/manager/src/domain/registration.ts";

/** A plugin to be made. */
export interface PluginRequest {
  /** Its id, and its directory's name under plugins/. */
  readonly id: string;
  readonly events: readonly string[];
  /** Whether it takes part in submits. */
  readonly sync: boolean;
}

const EVENTS_MAX = 100;
/** Stricter than the contract: the name also becomes a directory and an argument of commands. */
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** Everything that is wrong with a request, each as one sentence. */
export function requestProblems(root: string, { id, events }: PluginRequest): string[] {
  const problems: string[] = [];
  if (!NAME.test(id))
    problems.push(`the name "${id}" must start with a letter and be words of a-z and 0-9, joined by single "-"`);
  if (id.length > ID_LENGTH_MAX) problems.push(`the name has ${id.length} characters; at most ${ID_LENGTH_MAX} fit`);
  if (isReserved(id)) problems.push(`the name "${id}" is reserved by the manager`);
  if (NAME.test(id)) problems.push(...takenProblems(root, id));
  if (events.length === 0 || events.length > EVENTS_MAX)
    problems.push(`--events needs 1 to ${EVENTS_MAX} names, such as onResponse,onResponseUpdate`);
  for (const event of events) {
    const result = eventNameSchema.safeParse(event);
    if (!result.success) problems.push(`--events: "${event}": ${result.error.issues[0]?.message}`);
  }
  if (new Set(events).size < events.length) problems.push("--events names an event twice");
  return problems;
}

/** The manager is asked, with a registration in which only the id can be wrong. */
function isReserved(id: string): boolean {
  const registration = {
    name: id,
    description: "",
    url: "http://127.0.0.1",
    version: "1",
    events: [],
    settings: { type: "object" },
    actions: [],
    sync: null,
    priorityEvents: [],
    publicKey: null,
    enablements: false,
  };
  return registrationProblems(id, registration).length > 0;
}

function takenProblems(root: string, id: string): string[] {
  if (existsSync(join(root, "plugins", id))) return [`plugins/${id} exists already`];
  const { workspaces } = readJson(join(root, "package.json")) as { workspaces: string[] };
  const files = workspaces.flatMap((pattern) => globSync(`${pattern}/package.json`, { cwd: root }));
  const holder = files.find((file) => (readJson(join(root, file)) as { name?: string }).name === `@plugboard/${id}`);
  return holder === undefined ? [] : [`the package name @plugboard/${id} is taken by ${holder}`];
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, "utf8"));
}
