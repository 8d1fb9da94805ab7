import { linksTo, type Tracing, traceparentOf } from "@plugboard/runtime";
import type { z } from "zod";
import { type Call, type CallEnd, type CallParts, callHandler } from "./call-handler.ts";
import type { Received } from "./received.ts";

/** Of OpenTelemetry's API, which is loaded with the SDK only. */
const CONSUMER = 4;
const ERROR = { code: 2 };

export interface TracedParts {
  readonly tracing: Tracing;
}

/**
 * {@link callHandler} within a span, if the delivery's record comes with a sampled `traceparent`: a child of the core's span,
 * like the router's.
 * @param first the span of the delivery's first attempt, which further ones are linked to.
 * @returns also the span, as a `traceparent`.
 */
export async function callTraced<Schema extends z.ZodObject>(
  parts: CallParts<Schema> & TracedParts,
  call: Call<Schema>,
  first: string | undefined,
  signal: AbortSignal,
): Promise<{ readonly end: CallEnd; readonly span: string | undefined }> {
  const { tracing } = parts;
  const { received, attempt } = call;
  if (!tracing.on) return { end: await callHandler(parts, call, signal), span: undefined };
  const { headers } = received.record;
  const parent = tracing.parentOf((name) => headers.findLast(([known]) => known === name)?.[1].toString("latin1"));
  const { topic, ...attributes } = attributesOf(received, attempt);
  const options = { kind: CONSUMER, attributes, links: linksTo(first) };
  return await tracing.within(parent, `process ${topic}`, options, async (span) => {
    const end = await callHandler(parts, call, signal);
    const outcome = outcomeOf(end);
    span?.setAttribute("plugboard.outcome", outcome);
    if (!WELL.has(outcome)) span?.setAttribute("error.type", outcome).setStatus(ERROR);
    return { end, span: traceparentOf(span) };
  });
}

function attributesOf({ id, event, record }: Received, attempt: number) {
  const [topic = "", partition = "", offset = ""] = record.readFrom.split("/");
  return {
    topic,
    "messaging.system": "kafka",
    "messaging.operation.name": "process",
    "messaging.operation.type": "process",
    "messaging.destination.name": topic,
    "messaging.destination.partition.id": partition,
    "messaging.kafka.offset": Number(offset),
    "messaging.message.id": event.id,
    "plugboard.delivery": id,
    "plugboard.team": event.teamId,
    "plugboard.attempt": attempt,
  };
}

/** Ends of an attempt that are no trouble. */
const WELL: ReadonlySet<string> = new Set(["delivered", "handed-back"]);

/** Why it ended so may hold what a vendor said of somebody: the reason stays with the delivery. */
function outcomeOf(end: CallEnd): string {
  if (end.kind === "committed") return "delivered";
  return end.kind === "outcome" ? end.outcome.kind : end.kind;
}
