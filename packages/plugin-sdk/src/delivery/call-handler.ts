import { Failure } from "@plugboard/contract";
import type { z } from "zod";
import type { Delivery, DeliveryContext, PluginDefinition } from "../define-plugin.ts";
import { type ContextParts, contextOf } from "../handlers/handler-context.ts";
import { DeadlineError, withinDeadline } from "../handlers/with-deadline.ts";
import { delivered, type Outcome, retry, unknown } from "../outcome.ts";
import type { ResourceMap } from "../resources/resource.ts";
import type { DeliveryStore } from "../store/delivery-store.ts";
import type { Received } from "./received.ts";

export interface CallParts<Schema extends z.ZodObject> {
  readonly definition: PluginDefinition<Schema>;
  readonly deliveries: Pick<DeliveryStore, "transaction">;
  readonly contexts: ContextParts;
  readonly deadlineMs: number;
}

/** A claimed delivery, as far as its handler is concerned. */
export interface Call<Schema extends z.ZodObject> {
  readonly received: Received;
  readonly token: string;
  readonly attempt: number;
  readonly settings: z.output<Schema>;
  /** What its effect came to is not known from an earlier attempt. */
  readonly unresolved: boolean;
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
  const { received, settings, attempt } = call;
  const { id, event, data } = received;
  const team = event.teamId;
  const delivery = (): Delivery => withEffectKey(definition, { id, team, event, data, attempt }, settings);
  let committed = false;
  const context = (handlerSignal: AbortSignal): DeliveryContext<z.output<Schema>, ResourceMap> => ({
    ...contextOf(contexts, { team, settings, signal: handlerSignal, fields: { deliveryId: id } }),
    transaction: async (work) => {
      const result = await parts.deliveries.transaction(contexts.db, { id, token: call.token }, work);
      committed = true;
      return result;
    },
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
  const end = await bounded(timeLeft(), signal, async (own) => await definition.onEvent?.(delivery(), context(own)));
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

/** Vendors take keys of 255 characters and more; they are kept in their logs. */
const EFFECT_KEY_LENGTH_MAX = 200;

/** @throws Error when the plugin's key cannot be one: the delivery is then retried, and nothing has happened. */
function withEffectKey<Schema extends z.ZodObject>(
  { effectKey }: PluginDefinition<Schema>,
  delivery: Omit<Delivery, "effectKey">,
  settings: z.output<Schema>,
): Delivery {
  const key = effectKey === undefined ? delivery.id : effectKey(delivery, settings);
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
  work: (signal: AbortSignal) => Promise<T>,
): Promise<Bounded<T>> {
  try {
    return { kind: "value", value: await withinDeadline(deadlineMs, signal, work) };
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
