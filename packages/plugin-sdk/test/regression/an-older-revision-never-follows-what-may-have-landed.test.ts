import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { waitUntil } from "@plugboard/stack";
import { z } from "zod";
import { definePlugin, delivered, type Outcome, retry, unknown } from "../../src/index.ts";
import { DeliveryStore } from "../../src/store/delivery-store.ts";
import { RetryStore } from "../../src/store/retry-store.ts";
import { startHarness } from "../../src/testing/index.ts";
import { received } from "../support/received-delivery.ts";

/** What the handler is to answer, call by call; delivered when nothing is said. */
let answers: Promise<Outcome>[];
/** The revisions that reached the handler, in order. */
let handled: (number | null)[];
let harness: Awaited<ReturnType<typeof open>>;

const open = () =>
  startHarness(
    definePlugin({
      metadata: { id: "revisions", name: "Revisions", description: "", version: "1", events: ["onResponse"] },
      settings: z.object({}),
      redeliver: "unsafe",
      onEvent: async ({ event }) => {
        handled.push(event.revision);
        return await (answers.shift() ?? delivered());
      },
    }),
  );
const deliver = (revision: number | null) => harness.deliver({ response: "r-1", revision });
const LATER_MS = 60_000;
const WAIT_MS = 40_000;

beforeEach(async () => {
  answers = [];
  handled = [];
  harness = await open();
});
afterEach(() => harness.close());

describe("an older revision that comes when a newer one's effect may be there", () => {
  test("is superseded, where nobody knows whether it is", async () => {
    answers.push(Promise.resolve(unknown("no answer")));
    expect(await deliver(2)).toMatchObject({ outcome: "unknown" });
    expect(await deliver(1)).toMatchObject({ outcome: "superseded" });
    expect(handled).toEqual([2]);
  });

  test("waits, while that one is to be tried again", async () => {
    answers.push(Promise.resolve(retry("busy", LATER_MS)));
    expect(await deliver(2)).toMatchObject({ outcome: "retry" });
    expect(await deliver(1)).toMatchObject({ outcome: "waiting" });
    for (let times = 0; times < 3; times += 1) await harness.advance(LATER_MS);
    expect(handled).toEqual([2, 2]);
    expect(harness.outcomes.map(({ outcome }) => outcome)).toEqual(["retry", "delivered", "superseded"]);
  });

  test("is superseded, where that one is settled while the older one is being claimed", async () => {
    const deliveries = new DeliveryStore(harness.db, { leaseMs: LATER_MS, afterCut: "repeat", fence: true });
    const revision = (number: number) => received("team-1", `event-${number}`, "r-1", [["ce_revision", `${number}`]]);
    await deliveries.claim(revision(2), "first", null);
    const between = await harness.db.connect();
    await between.query("BEGIN");
    await between.query("LOCK TABLE retries");
    const older = deliveries.claim(revision(1), "second", null);
    await waitUntil("the older one has asked what is delivered, and waits with what comes next", WAIT_MS, async () => {
      const { rowCount } = await between.query(
        "SELECT FROM pg_locks WHERE relation = 'retries'::regclass AND NOT granted",
      );
      return rowCount === 0 ? undefined : true;
    });
    await between.query("UPDATE deliveries SET state = 'settled', outcome = 'delivered' WHERE revision = 2");
    await between.query("COMMIT");
    between.release();
    expect(await older).toMatchObject({ kind: "superseded" });
  });

  test("waits as well, while that one was cut off by a stop", async () => {
    const deliveries = new DeliveryStore(harness.db, { leaseMs: LATER_MS, afterCut: "repeat", fence: true });
    const revision = (number: number) => received("team-1", `event-${number}`, "r-1", [["ce_revision", `${number}`]]);
    await deliveries.claim(revision(2), "stopping", null);
    const cutOff = { token: "stopping", uncount: true, unresolved: true };
    await new RetryStore(harness.db).putOff(revision(2), { ...cutOff, waitingFor: "drain", dueInMs: 0, history: [] });
    expect(await deliveries.claim(revision(1), "another", null)).toEqual({ kind: "behind" });
  });

  test("does not wait for it where one without a revision stands between them: nobody would ever go", async () => {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    answers.push(promise);
    const newer = deliver(2);
    // Each finds the one before it under way, or waiting.
    expect(await deliver(1)).toMatchObject({ outcome: "waiting" });
    expect(await deliver(null)).toMatchObject({ outcome: "waiting" });
    resolve(retry("busy", LATER_MS));
    await newer;
    for (let times = 0; times < 4; times += 1) await harness.advance(LATER_MS);
    expect(handled.toSorted()).toEqual([1, 2, 2, null]);
  });
});
