import {
  type Delivery,
  definePlugin,
  delivered,
  type Outcome,
  rejected,
  retry,
  runPlugin,
  unknown,
} from "@plugboard/plugin-sdk";
import { z } from "zod";
import { HANDLER_DEADLINE_MS, type Kind } from "./roster.ts";
import type { Answer } from "./vendor.ts";

/** The rig's plugins: each has its effect in another way. Which one this process is, and its name, the rig says. */
const { CHAOS_KIND = "", CHAOS_INSTANCE = "", VENDOR_URL = "" } = process.env;
const kind = CHAOS_KIND as Kind;

const base = {
  metadata: {
    id: kind,
    name: kind,
    description: "A plugin of the chaos rig.",
    version: "1.0.0",
    events: ["onResponse"],
  },
  settings: z.object({}),
  handlerDeadlineMs: HANDLER_DEADLINE_MS,
};

async function ask(path: string, deliveries: readonly Delivery[], signal: AbortSignal): Promise<readonly Outcome[]> {
  const items = deliveries.map(({ id, effectKey: key, team, event, data }) => {
    return { id, key, team, response: event.responseId, revision: event.revision, doomed: data.doomed === true };
  });
  const body = JSON.stringify({ instance: CHAOS_INSTANCE, items });
  const response = await fetch(`${VENDOR_URL}/${kind}/${path}`, { method: "POST", body, signal });
  if (!response.ok) {
    await response.body?.cancel();
    const afterMs = Number(response.headers.get("retry-after") ?? Number.NaN) * 1_000;
    return items.map(() =>
      retry(`the vendor answered ${response.status}`, Number.isNaN(afterMs) ? undefined : afterMs),
    );
  }
  const answers = (await response.json()) as readonly Answer[];
  return answers.map((answer) => (answer === "done" ? delivered() : rejected("the vendor refuses this response")));
}

const one = async (path: string, delivery: Delivery, signal: AbortSignal) =>
  (await ask(path, [delivery], signal))[0] ?? delivered();

/** Whoever may not repeat an effect says so of every call without an answer. */
const oneOrUnknown = (delivery: Delivery, signal: AbortSignal) =>
  one("effects", delivery, signal).catch((error: Error) => unknown(error.message));

const definitions = {
  ledger: () =>
    definePlugin({
      ...base,
      migrations: [
        `CREATE TABLE effects (place bigserial PRIMARY KEY, delivery text NOT NULL, response text NOT NULL, revision int NOT NULL,
           instance text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp())`,
      ],
      onEvent: async (delivery, { transaction, signal }) => {
        const allowed = await one("checks", delivery, signal);
        if (allowed.kind !== "delivered") return allowed;
        const { responseId, revision } = delivery.event;
        await transaction((client) =>
          client.query("INSERT INTO effects (delivery, response, revision, instance) VALUES ($1, $2, $3, $4)", [
            delivery.id,
            responseId,
            revision,
            CHAOS_INSTANCE,
          ]),
        );
        return delivered();
      },
    }),
  text: () =>
    definePlugin({ ...base, redeliver: "unsafe", onEvent: (delivery, { signal }) => oneOrUnknown(delivery, signal) }),
  mail: () => definePlugin({ ...base, onEvent: (delivery, { signal }) => one("effects", delivery, signal) }),
  pay: () =>
    definePlugin({
      ...base,
      onEvent: (delivery, { signal }) => oneOrUnknown(delivery, signal),
      resolveUnknown: async ({ id }, { signal }) => {
        const response = await fetch(`${VENDOR_URL}/${kind}/effects/${id}`, { signal });
        if (!response.ok) throw new Error(`the vendor answered ${response.status}`);
        return ((await response.json()) as Answer) === "done" ? delivered() : "not-done";
      },
    }),
  bulk: () =>
    definePlugin({
      ...base,
      batch: { itemsMax: 20, waitMsMax: 50 },
      onBatch: (deliveries, { signal }) => ask("effects", deliveries, signal),
    }),
} satisfies Record<Kind, () => unknown>;

await runPlugin(definitions[kind]());
