import {
  type Context,
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
import { SPENT } from "./spent-deadlines.ts";
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

/** What a call needs of its handler's context. */
type Caller = Pick<Context<unknown>, "signal" | "logger">;

/** Leaves in the log that a handler's time was over before the vendor had answered: the checker believes no other word of it. */
function noteWhenSpent(deliveries: readonly Delivery[], { signal, logger }: Caller): () => void {
  const begun = performance.now();
  const note = () => {
    const waitedMs = Math.round(performance.now() - begun);
    const { message: reason } = signal.reason as Error;
    logger.info({ deliveries: deliveries.map(({ id }) => id), waitedMs, reason }, SPENT);
  };
  signal.addEventListener("abort", note, { once: true });
  return () => signal.removeEventListener("abort", note);
}

async function ask(path: string, deliveries: readonly Delivery[], caller: Caller): Promise<readonly Outcome[]> {
  const answered = noteWhenSpent(deliveries, caller);
  try {
    return await askInTime(path, deliveries, caller.signal);
  } finally {
    answered();
  }
}

async function askInTime(
  path: string,
  deliveries: readonly Delivery[],
  signal: AbortSignal,
): Promise<readonly Outcome[]> {
  const items = deliveries.map(({ id, effectKey: key, team, event, data }) => {
    return { id, key, team, response: event.responseId, revision: event.revision, doomed: data.doomed === true };
  });
  const body = JSON.stringify({ instance: CHAOS_INSTANCE, sentAt: Date.now(), items });
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

const one = async (path: string, delivery: Delivery, caller: Caller) =>
  (await ask(path, [delivery], caller))[0] ?? delivered();

/** Whoever may not repeat an effect says so of every call without an answer. */
const oneOrUnknown = (delivery: Delivery, caller: Caller) =>
  one("effects", delivery, caller).catch((error: Error) => unknown(error.message));

const definitions = {
  ledger: () =>
    definePlugin({
      ...base,
      migrations: [
        `CREATE TABLE effects (place bigserial PRIMARY KEY, delivery text NOT NULL, response text NOT NULL, revision int NOT NULL,
           instance text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp())`,
      ],
      onEvent: async (delivery, { transaction, ...caller }) => {
        const allowed = await one("checks", delivery, caller);
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
    definePlugin({ ...base, redeliver: "unsafe", onEvent: (delivery, caller) => oneOrUnknown(delivery, caller) }),
  mail: () => definePlugin({ ...base, onEvent: (delivery, caller) => one("effects", delivery, caller) }),
  pay: () =>
    definePlugin({
      ...base,
      onEvent: (delivery, caller) => oneOrUnknown(delivery, caller),
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
      onBatch: (deliveries, caller) => ask("effects", deliveries, caller),
    }),
} satisfies Record<Kind, () => unknown>;

await runPlugin(definitions[kind]());
