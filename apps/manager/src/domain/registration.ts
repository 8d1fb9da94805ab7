import type { ProblemItem, registrationSchema } from "@plugboard/contract";
import type { z } from "zod";
import { compileSchema } from "./json-schema.ts";
import type { PluginDraft } from "./ports.ts";
import type { JsonObject, PendingApproval, PluginRecord } from "./records.ts";
import { referenceProblems } from "./schema-references.ts";
import { schemaWithKept } from "./sealed-settings.ts";
import { secretPlaces } from "./secret-places.ts";
import { canonicalJson, unstorable } from "./storable-json.ts";

export type RegistrationBody = z.output<typeof registrationSchema>;

/** Largest schema accepted, characters of JSON; of settings, and of each action's input. */
const SCHEMA_LENGTH_MAX = 128 * 1024;
const URL_LENGTH_MAX = 2_048;
/** Ids that would read as part of another plugin's topics, or as part of the platform. */
const RESERVED_IDS = new Set(["manager", "router", "core", "plugboard", "admin", "responses", "deliveries"]);

/** Everything that is wrong with a registration beyond its shape. */
export function registrationProblems(id: string, body: RegistrationBody): ProblemItem[] {
  const problems: ProblemItem[] = [...unstorable(body)];
  if (RESERVED_IDS.has(id)) problems.push({ path: "", message: `the id "${id}" is reserved` });
  const at = (path: string) => (problem: ProblemItem) => ({ ...problem, path: `${path}${problem.path}` });
  problems.push(...objectSchemaProblems(body.settings).map(at("/settings")));
  const secrets = secretPlaces(body.settings);
  problems.push(...secrets.problems.map(at("/settings")));
  if (secrets.places.length > 0 && body.publicKey === null)
    problems.push({
      path: "/publicKey",
      message: "is required, for the settings have secrets (writeOnly) to seal to it",
    });
  const names = new Set<string>();
  for (const [index, action] of body.actions.entries()) {
    problems.push(...objectSchemaProblems(action.input).map(at(`/actions/${index}/input`)));
    if (names.has(action.name))
      problems.push({ path: `/actions/${index}/name`, message: `"${action.name}" is there twice` });
    names.add(action.name);
  }
  for (const [index, event] of body.priorityEvents.entries()) {
    if (!body.events.includes(event))
      problems.push({ path: `/priorityEvents/${index}`, message: `"${event}" is not among the events` });
  }
  if (body.url.length > URL_LENGTH_MAX)
    problems.push({ path: "/url", message: `must have at most ${URL_LENGTH_MAX} characters` });
  else if (compileSchema({ type: "string", format: "uri" }).problems(body.url).length > 0)
    problems.push({
      path: "/url",
      message: "must be a URI by RFC 3986: anything but ASCII percent-encoded, and in a host as punycode (xn--…)",
    });
  const { username, password } = new URL(body.url);
  // Paths are appended to it as it stands, so an empty query or fragment would swallow them.
  if (username !== "" || password !== "" || /[\s?#]/.test(body.url))
    problems.push({ path: "/url", message: "must have no user, password, query, fragment or blanks" });
  return problems;
}

function objectSchemaProblems(schema: JsonObject): ProblemItem[] {
  const length = JSON.stringify(schema).length;
  if (length > SCHEMA_LENGTH_MAX)
    return [{ path: "", message: `has ${length} characters; at most ${SCHEMA_LENGTH_MAX} are accepted` }];
  const problems: ProblemItem[] = [];
  if (schema.type !== "object") problems.push({ path: "/type", message: 'must be "object"' });
  const references = referenceProblems(schema);
  if (references.length > 0) return [...problems, ...references];
  try {
    compileSchema(schema);
    compileSchema(schemaWithKept(schema, ""));
  } catch (error) {
    problems.push({ path: "", message: `is not a valid JSON Schema: ${(error as Error).message}` });
  }
  return problems;
}

/** Whether a team need not configure the plugin. */
function acceptsEmpty(settingsSchema: JsonObject): boolean {
  return compileSchema(settingsSchema).problems({}).length === 0;
}

/**
 * What is stored for a registration.
 * @param current what is stored already; null for the first registration.
 * @param changesWait whether a change of `url` or `publicKey` waits for an admin.
 */
export function registered(
  id: string,
  body: RegistrationBody,
  current: PluginRecord | null,
  changesWait: boolean,
): PluginDraft {
  const pending: { url?: string; publicKey?: JsonObject | null } = {};
  const publicKey = body.publicKey;
  if (current !== null && changesWait) {
    if (body.url !== current.url) pending.url = body.url;
    if (!sameJson(publicKey, current.publicKey)) pending.publicKey = publicKey;
  }
  return {
    id,
    name: body.name,
    description: body.description,
    url: pending.url !== undefined && current !== null ? current.url : body.url,
    version: body.version,
    events: body.events,
    priorityEvents: body.priorityEvents,
    settingsSchema: body.settings,
    acceptsEmpty: acceptsEmpty(body.settings),
    actions: body.actions,
    syncDeadlineMs: body.sync?.deadlineMs ?? null,
    publicKey: pending.publicKey !== undefined && current !== null ? current.publicKey : publicKey,
    pendingApproval: Object.keys(pending).length === 0 ? null : pending,
    toldEnablements: body.enablements,
    // Maintenance outlives a restart; a deregistered plugin that registers again is back.
    status: current?.status === "disabled" ? "disabled" : "enabled",
  };
}

export type WaitingChange = "url" | "publicKey";

/** What waits for an admin, as the API names it. */
export function waitingChanges(pending: PendingApproval | null): WaitingChange[] {
  return (["url", "publicKey"] as const).filter((name) => pending !== null && name in pending);
}

/** The plugin with what waited taken over, or dropped. */
export function decideApproval(current: PluginRecord, approve: boolean | readonly WaitingChange[]): PluginRecord {
  const pending = current.pendingApproval ?? {};
  const entries = Object.entries(pending) as [WaitingChange, PendingApproval[WaitingChange]][];
  const taken = entries.filter(([name]) => approve === true || (approve !== false && approve.includes(name)));
  const left = approve === false ? [] : entries.filter(([name]) => !taken.some(([one]) => one === name));
  return {
    ...current,
    ...Object.fromEntries(taken),
    pendingApproval: left.length === 0 ? null : Object.fromEntries(left),
  };
}

/** jsonb does not keep the order of keys. */
export function sameJson(one: unknown, other: unknown): boolean {
  return canonicalJson(one) === canonicalJson(other);
}
