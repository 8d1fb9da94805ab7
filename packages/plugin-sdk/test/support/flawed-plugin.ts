import { randomUUID } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { z } from "zod";
import { Attempter } from "../../src/delivery/attempt.ts";
import { Drain } from "../../src/drain.ts";
import { definePlugin, delivered, rejected, retry, runPlugin, secret } from "../../src/index.ts";
import { DeliveryStore } from "../../src/store/delivery-store.ts";

/** A plugin for the conformance suite's own test: it posts each response to an address, and does some things wrong. */
const FLAWS = new Set((process.env.FLAWS ?? "").split(","));

/** What the SDK would not let a plugin do is broken in the SDK. */
const SABOTAGE: Readonly<Record<string, () => void>> = {
  "ignores-signatures": () => {
    Webhook.prototype.verify = () => ({});
  },
  "settles-before-the-effect": () => {
    const underWay = new Map<string | null, Promise<void>>();
    const { attempt } = Attempter.prototype;
    Attempter.prototype.attempt = async function (...given) {
      const [{ orderKey }] = given;
      const before = underWay.get(orderKey) ?? Promise.resolve();
      underWay.set(
        orderKey,
        before.then(() => attempt.apply(this, given)).catch(() => undefined),
      );
    };
    // A stop in order does not show it: only a crash does.
    const { stop } = Drain.prototype;
    Drain.prototype.stop = async function () {
      await stop.call(this);
      await Promise.all(underWay.values());
    };
  },
  "leaves-at-once": () => {
    process.once("SIGTERM", () => process.exit(0));
  },
  "forgets-identities": () => {
    const { claim } = DeliveryStore.prototype;
    DeliveryStore.prototype.claim = async function (...given) {
      const found = await claim.apply(this, given);
      return found.kind === "duplicate" ? { kind: "claimed", attempt: 1, cutShort: false } : found;
    };
  },
};
for (const flaw of FLAWS) SABOTAGE[flaw]?.();

let turn: Promise<unknown> = Promise.resolve();

/** One call at a time, of all teams, however long it takes. */
function inTurn(call: () => Promise<Response>): Promise<Response> {
  const mine = turn.then(call);
  turn = mine.catch(() => undefined);
  return mine;
}

await runPlugin(
  definePlugin({
    metadata: { id: "flawed", name: "Flawed", description: "", version: "1", events: ["onResponse"] },
    settings: z.object({ url: z.url(), token: secret(z.string()), color: z.string() }),
    revisions: FLAWS.has("wants-old-revisions") ? "all" : "latest",
    validateSettings: async ({ color, token }) => {
      if (FLAWS.has("prints-secrets")) process.stdout.write(`${token}\n`);
      return color === "none" ? [{ path: "/color", message: "is none" }] : [];
    },
    onEvent: async (delivery, { settings, signal }) => {
      const key = FLAWS.has("new-key-each-time") ? randomUUID() : delivery.effectKey;
      const body = JSON.stringify(delivery.event);
      const request = { method: "POST", headers: { "idempotency-key": key }, body };
      const answer = FLAWS.has("handles-one-after-the-other")
        ? await inTurn(() => fetch(settings.url, request))
        : await fetch(settings.url, { ...request, signal });
      if (answer.ok || FLAWS.has("hides-failures")) return delivered();
      const reason = `the address answered ${answer.status}`;
      return answer.status === 503 ? retry(reason) : rejected(reason);
    },
  }),
);
