import { Failure } from "@plugboard/contract";
import type { z } from "zod";
import type { Delivery, DeliveryContext, PluginDefinition } from "../define-plugin.ts";
import { type ContextParts, contextOf } from "../handlers/handler-context.ts";
import { CutOff, DeadlineError, withinDeadline } from "../handlers/with-deadline.ts";
import { delivered, type Outcome, retry, unknown } from "../outcome.ts";
import type { ResourceMap } from "../resources/resource.ts";
import type { Identities } from "../store/unrecorded-deliveries.ts";
import type { Received } from "./received.ts";

export interface CallParts<Schema extends z.ZodObject> {
  readonly definition: PluginDefinition<Schema>;
  readonly deliveries: Pick<Identities, "transaction">;
  readonly contexts: ContextParts;
  readonly deadlineMs: number;
}

/** A claimed delivery, as far as its handler is concerned. */
export interface Call<Schema extends z.ZodObject> {
  readonly received: Received;
  /** Null when nothing was written down of the claim. */
  readonly token: string | null;
  readonly attempt: number;
  readonly settings: z.output<Schema>;
  /** What its effect came to is not known from an earlier attempt. */
  readonly unresolved: boolean;
  /** Where the handler has been called already. */
  readonly begun?: BegunCall<Schema>;
  /** How long it is still this call's, milliseconds: a process that was frozen may find it another's. */
  readonly leftMs: () => number;
}

/** How a call ended. */
export type CallEnd =
  | { readonly kind: "outcome"; readonly outcome: Outcome }
  /** Its transaction was committed, and with it `delivered`: whatever came after. */
  | { readonly kind: "committed" }
  /** What an earlier attempt came to could not be found out now; nothing was repeated. */
  | { readonly kind: "unresolved"; readonly reason: string }
  /** The process stops, and the handler was cut off; or it was never called, for the claim came too late: it did not count. */
  | { readonly kind: "handed-back"; readonly called: boolean };

/** One that was not handed back. */
export type FinishedCall = Exclude<CallEnd, { readonly kind: "handed-back" }>;

/**
 * Calls a plugin's `onEvent`, within its deadline. Where an earlier attempt may have had its effect and the plugin can find
 * that out, `resolveUnknown` is asked first; the handler is called only when that says `not-done`.
 */
export async function callHandler<Schema extends z.ZodObject>(
  parts: CallParts<Schema>,
  call: Call<Schema>,
  signal: AbortSignal,
): Promise<CallEnd> {
  const { definition, contexts } = parts;
  const { received, settings, attempt, begun } = call;
  const { id } = received;
  const team = received.event.teamId;
  let committed = false;
  const delivery = () => deliveryOf(definition, received, attempt, settings);
  const context = (cutOff: CutOff) =>
    deliveryContext(parts, received, settings, cutOff, async (work) => {
      const result = await parts.deliveries.transaction(contexts.db, { id, token: call.token }, work);
      committed = true;
      return result;
    });
  if (call.leftMs() <= 0) return { kind: "handed-back", called: false };
  const timeLeft = () => Math.min(parts.deadlineMs, call.leftMs());
  if (call.unresolved && definition.resolveUnknown !== undefined) {
    const { resolveUnknown } = definition;
    const found = await bounded(timeLeft(), signal, async (own) => await resolveUnknown(delivery(), context(own)));
    if (found.kind === "cut-off") return { kind: "handed-back", called: false };
    if (found.kind === "threw") return { kind: "unresolved", reason: found.reason };
    if (found.value !== "not-done") return ended(found.value, definition);
    if (call.leftMs() <= 0) return { kind: "unresolved", reason: "looking it up took all of the attempt's time" };
  }
  const work = async (own: CutOff) => await (begun?.answer ?? definition.onEvent?.(delivery(), context(own)));
  const end = await bounded(timeLeft(), signal, work, begun?.cutOff);
  if (committed) return { kind: "committed" };
  if (end.kind === "value") return ended(end.value ?? delivered(), definition);
  // Cut off after its effect, or before it: not to be repeated blindly, or to be looked up first.
  const mayBeDone = definition.redeliver === "unsafe" || definition.resolveUnknown !== undefined;
  if (end.kind === "cut-off") {
    return mayBeDone
      ? ended(unknown("the process stopped during the attempt"), definition)
      : { kind: "handed-back", called: true };
  }
  contexts.logger.debug({ deliveryId: id, team, reason: end.reason }, "a handler threw");
  return ended(end.late && mayBeDone ? unknown(end.reason) : retry(end.reason), definition);
}

/** A handler call of a plugin without identities that was begun before anybody had to wait for it. */
export class BegunCall<Schema extends z.ZodObject> {
  readonly received: Received;
  readonly settings: z.output<Schema>;
  readonly cutOff = new CutOff();
  readonly answer: Promise<Outcome | undefined>;
  /** What it has come to, as far as it has. */
  state: "under way" | "went well" | "ended otherwise" = "under way";

  constructor(parts: CallParts<Schema>, received: Received, settings: z.output<Schema>) {
    this.received = received;
    this.settings = settings;
    this.answer = this.#call(parts);
    this.answer.then(
      (outcome) => {
        this.state = outcome === undefined || outcome.kind === "delivered" ? "went well" : "ended otherwise";
      },
      () => {
        this.state = "ended otherwise";
      },
    );
  }

  async #call(parts: CallParts<Schema>): Promise<Outcome | undefined> {
    const { definition, deliveries, contexts } = parts;
    const { received, settings, cutOff } = this;
    const transaction: Transaction = (work) =>
      deliveries.transaction(contexts.db, { id: received.id, token: null }, work);
    const context = deliveryContext(parts, received, settings, cutOff, transaction);
    return await definition.onEvent?.(deliveryOf(definition, received, 1, settings), context);
  }
}

type Transaction = DeliveryContext<unknown>["transaction"];

function deliveryContext<Schema extends z.ZodObject>(
  { contexts }: CallParts<Schema>,
  { id, event: { teamId: team } }: Received,
  settings: z.output<Schema>,
  cutOff: CutOff,
  transaction: Transaction,
): DeliveryContext<z.output<Schema>, ResourceMap> {
  // Assigned, not spread: what is made when it is asked for stays so.
  return Object.assign(contextOf(contexts, { team, settings, cutOff, fields: { deliveryId: id } }), { transaction });
}

/** Vendors take keys of 255 characters and more; they are kept in their logs. */
const EFFECT_KEY_LENGTH_MAX = 200;

/** @throws Error when the plugin's key cannot be one: the delivery is then retried, and nothing has happened. */
function deliveryOf<Schema extends z.ZodObject>(
  { effectKey }: PluginDefinition<Schema>,
  { id, event, data }: Received,
  attempt: number,
  settings: z.output<Schema>,
): Delivery {
  const { teamId: team } = event;
  if (effectKey === undefined) return { id, team, event, data, attempt, effectKey: id };
  const delivery = { id, team, event, data, attempt };
  const key = effectKey(delivery, settings);
  if (key.length === 0 || key.length > EFFECT_KEY_LENGTH_MAX) {
    throw new Error(`effectKey gave ${key.length} characters: 1 to ${EFFECT_KEY_LENGTH_MAX}`);
  }
  return { ...delivery, effectKey: key };
}

/** A plugin that can find out what became of an effect is asked later; what one cannot find out is its end. */
function ended<Schema extends z.ZodObject>(outcome: Outcome, { resolveUnknown }: PluginDefinition<Schema>): CallEnd {
  return outcome.kind === "unknown" && resolveUnknown !== undefined
    ? { kind: "unresolved", reason: outcome.reason }
    : { kind: "outcome", outcome };
}

type Bounded<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "threw"; readonly reason: string; readonly late: boolean }
  | { readonly kind: "cut-off" };

async function bounded<T>(
  deadlineMs: number,
  signal: AbortSignal,
  work: (cutOff: CutOff) => Promise<T>,
  cutOff?: CutOff,
): Promise<Bounded<T>> {
  try {
    return { kind: "value", value: await withinDeadline(deadlineMs, signal, work, cutOff) };
  } catch (error) {
    if (error instanceof DeadlineError) return { kind: "threw", reason: error.message, late: true };
    if (signal.aborted) return { kind: "cut-off" };
    const reason = error instanceof Failure ? `${error.code}: ${error.message}` : messageOf(error);
    return { kind: "threw", reason, late: false };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

/** Why an attempt failed for now, or may have; null when it did not. */
export function failureOf(end: CallEnd): string | null {
  if (end.kind === "unresolved") return end.reason;
  if (end.kind !== "outcome") return null;
  const { outcome } = end;
  return outcome.kind === "retry" || outcome.kind === "unknown" ? outcome.reason : null;
}
