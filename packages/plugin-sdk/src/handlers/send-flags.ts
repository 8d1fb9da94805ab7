import { createHash } from "node:crypto";
import { type EventAttributes, Failure, type Flag, type FlagCommand, flagCommandSchema } from "@plugboard/contract";
import type { SafeProducer } from "@plugboard/kafka";
import { type Clock, problemsOf } from "@plugboard/runtime";

export interface FlagParts {
  readonly plugin: string;
  readonly topic: string;
  readonly producer: Pick<SafeProducer, "send">;
  readonly clock: Clock;
}

/**
 * Sends a response back to its collector through the core's command topic; resolves when Kafka has acknowledged it. The
 * command's id is the same whenever the same plugin flags the same revision, so the core recognises a repetition.
 * @throws Failure `invalid-input` for an event without a response, or flags that are none.
 */
export async function sendFlags(
  { plugin, topic, producer, clock }: FlagParts,
  team: string,
  event: EventAttributes,
  flags: readonly Flag[],
): Promise<void> {
  if (event.responseId === null) throw new Failure("invalid-input", "only events about a response can be flagged");
  const command = {
    id: commandId(plugin, team, event.responseId, event.revision === null ? `event:${event.id}` : `${event.revision}`),
    type: "flag-response",
    team,
    formId: event.formId,
    responseId: event.responseId,
    revision: event.revision,
    plugin,
    flags: [...flags],
    at: new Date(clock.now()).toISOString(),
  } satisfies FlagCommand;
  const checked = flagCommandSchema.safeParse(command);
  if (!checked.success) {
    throw new Failure("invalid-input", "the flags are not valid", { problems: problemsOf(checked.error.issues) });
  }
  await producer.send(topic, [
    {
      key: event.responseId,
      value: JSON.stringify(checked.data),
      headers: { "content-type": "application/json", "pb-team": team, "pb-plugin": plugin },
    },
  ]);
}

function commandId(...parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
}
