import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { waitUntil } from "@plugboard/stack";
import { z } from "zod";
import { type Delivery, type DeliveryContext, definePlugin, type Outcome, unknown } from "../../src/index.ts";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 40_000;
const TEST_MS = 120_000;
type Handler = (delivery: Delivery, context: DeliveryContext<unknown>) => Promise<Outcome | undefined>;

let stage: PluginStage;
/** What the handler does, by event id; and what the plugin says when it is asked what an attempt came to. */
const handlers = new Map<string, Handler>();
const resolvers = new Map<string, (asked: number) => Promise<Outcome | "not-done">>();
const called: string[] = [];
const asked: string[] = [];
const timesOf = (list: string[], id: string) => list.filter((one) => one === id).length;

beforeAll(async () => {
  stage = await openStage("exact");
  stage.manager.enable("team-1");
  await stage.start(
    definePlugin({
      metadata: { id: "exact", name: "Exact", description: "", version: "1", events: ["onResponse"] },
      settings: z.object({}),
      migrations: ["CREATE TABLE effects (event text NOT NULL, attempt int NOT NULL)"],
      redeliver: "unsafe",
      handlerDeadlineMs: 2_000,
      onEvent: async (delivery, context) => {
        called.push(delivery.event.id);
        return await handlers.get(delivery.event.id)?.(delivery, context);
      },
      resolveUnknown: async ({ event }) => {
        asked.push(event.id);
        return (await resolvers.get(event.id)?.(timesOf(asked, event.id))) ?? "not-done";
      },
    }),
  );
}, TEST_MS);
afterAll(() => stage.close());
beforeEach(() => {
  called.length = 0;
  asked.length = 0;
});

const effect = (of: Delivery, context: DeliveryContext<unknown>) =>
  context.transaction((client) => client.query("INSERT INTO effects VALUES ($1, $2)", [of.event.id, of.attempt]));
const effectsOf = (id: string) =>
  stage.query<{ attempt: number }>("SELECT attempt FROM effects WHERE event = $1", [id]);
const route = (id: string, handler: Handler) => {
  handlers.set(id, handler);
  return stage.route({ team: "team-1", id, response: id });
};

describe("a handler's transaction", () => {
  test(
    "records the delivery with its writes, whatever the handler does after it",
    async () => {
      const ids = [
        await route("returns", async (delivery, context) => void (await effect(delivery, context))),
        await route("throws-after", async (delivery, context) => {
          await effect(delivery, context);
          throw new Error("after its effect");
        }),
        await route("hangs-after", async (delivery, context) => {
          await effect(delivery, context);
          await new Promise(() => {});
          return undefined;
        }),
      ];
      for (const id of ids) expect(await stage.settled(id)).toBe("delivered");
      await stage.committed();
      for (const event of ["returns", "throws-after", "hangs-after"]) {
        expect(await effectsOf(event)).toEqual([{ attempt: 1 }]);
        expect(timesOf(called, event)).toBe(1);
      }
    },
    TEST_MS,
  );

  test(
    "leaves nothing of an attempt that fails inside of it",
    async () => {
      const id = await route("throws-inside", (delivery, context) =>
        context.transaction(async (client) => {
          await client.query("INSERT INTO effects VALUES ($1, $2)", [delivery.event.id, delivery.attempt]);
          if (delivery.attempt === 1) throw new Error("before its end");
          return undefined;
        }),
      );
      expect(await stage.settled(id)).toBe("delivered");
      expect(await effectsOf("throws-inside")).toEqual([{ attempt: 2 }]);
    },
    TEST_MS,
  );

  test(
    "cannot be committed by an attempt whose time is over, for the delivery is another's",
    async () => {
      const { promise: released, resolve: release } = Promise.withResolvers<void>();
      const late: string[] = [];
      const id = await route("late", async (delivery, context) => {
        if (delivery.attempt > 1) return void (await effect(delivery, context));
        await context
          .transaction(async (client) => {
            await client.query("INSERT INTO effects VALUES ($1, $2)", [delivery.event.id, delivery.attempt]);
            await released;
          })
          .catch((error: Error) => late.push(error.message));
        return undefined;
      });
      expect(await stage.settled(id)).toBe("delivered");
      release();
      await waitUntil("the late one has ended", WAIT_MS, async () => (late.length > 0 ? true : undefined));
      expect(late).toEqual([expect.stringContaining("time was over")]);
      expect(await effectsOf("late")).toEqual([{ attempt: 2 }]);
      expect(timesOf(asked, "late")).toBe(1);
    },
    TEST_MS,
  );
});

describe("an effect of which nobody knows what it came to", () => {
  test(
    "is asked for before anything is repeated, and asked for again while nobody can tell",
    async () => {
      resolvers.set("done", async (times) => {
        if (times < 3) throw new Error("the vendor does not answer");
        return { kind: "delivered" };
      });
      const id = await route("done", async () => unknown("its answer was lost"));
      expect(await stage.settled(id)).toBe("delivered");
      expect([timesOf(called, "done"), timesOf(asked, "done")]).toEqual([1, 3]);
    },
    TEST_MS,
  );

  test(
    "is repeated when it has not happened",
    async () => {
      resolvers.set("not-done", async () => "not-done");
      const id = await route("not-done", async ({ attempt }) =>
        attempt === 1 ? unknown("connection lost") : undefined,
      );
      expect(await stage.settled(id)).toBe("delivered");
      expect([timesOf(called, "not-done"), timesOf(asked, "not-done")]).toEqual([2, 1]);
    },
    TEST_MS,
  );

  test(
    "is asked for when a process was killed during the attempt; killed twice more, the delivery is set aside",
    async () => {
      const killed = async (event: string, cuts: number) => {
        const { id, record } = stage.copyOf({ team: "team-1", id: event, response: event });
        // What a process leaves that is killed at its handler.
        await stage.query(
          `INSERT INTO deliveries (id, team, order_key, state, attempts, cut_short, owner, lease_until)
           VALUES ($1, 'team-1', $2, 'started', 1, $3, 'killed/1', now() - interval '1 s')`,
          [id, `response:${event}`, cuts],
        );
        await stage.producer.send(stage.topics.live, [record]);
        return id;
      };
      resolvers.set("killed", async () => ({ kind: "delivered" }));
      expect(await stage.settled(await killed("killed", 0))).toBe("delivered");
      expect([timesOf(called, "killed"), timesOf(asked, "killed")]).toEqual([0, 1]);
      resolvers.set("killed-again", async () => ({ kind: "delivered" }));
      const poison = await killed("killed-again", 2);
      expect(await stage.settled(poison)).toBe("failed");
      expect([timesOf(called, "killed-again"), timesOf(asked, "killed-again")]).toEqual([0, 0]);
      const dead = (await stage.records(stage.topics.deadLetter)).filter(
        (one) => stage.header(one, "pb-delivery-id") === poison,
      );
      expect(dead.map((one) => stage.header(one, "pb-dead-letter-detail"))).toEqual([
        expect.stringContaining("set aside: 3 attempts"),
      ]);
    },
    TEST_MS,
  );
});
