import { afterEach, describe, expect, test } from "@jest/globals";
import { z } from "zod";
import { type Degradable, definePlugin, delivered, failed, rejected, resource, retry } from "../../src/index.ts";
import { FakeClock, type Harness, startHarness, testEvent } from "../../src/testing/index.ts";

const metadata = { id: "tested", name: "Tested", description: "", version: "1", events: ["onResponse"] };
const settings = z.object({ greeting: z.string().min(2).default("Jambo") });

describe("the harness", () => {
  const open: { close(): Promise<void> }[] = [];
  const kept = async <H extends { close(): Promise<void> }>(harness: Promise<H>): Promise<H> => {
    open.push(await harness);
    return harness;
  };
  afterEach(() => Promise.all(open.splice(0).map((one) => one.close())));

  /** Answers what the event's data says. */
  const obedient = (seen: unknown[] = []) =>
    definePlugin({
      metadata,
      settings,
      migrations: ["CREATE TABLE effects (id text PRIMARY KEY)"],
      onEvent: async ({ id, data, attempt }, { db, settings: { greeting } }) => {
        seen.push(greeting);
        await db.query("INSERT INTO effects VALUES ($1) ON CONFLICT DO NOTHING", [id]);
        if (data.until !== undefined && attempt < Number(data.until)) return retry("not yet");
        if (data.answer === "rejected") return rejected("wrong data");
        if (data.answer === "failed") return failed("no help");
        if (data.answer === "throws") throw new Error("broken");
        return delivered();
      },
      actions: {
        shout: {
          description: "",
          input: z.object({ text: z.string() }),
          run: async ({ text }, { settings: { greeting } }) => `${greeting} ${text}`.toUpperCase(),
        },
      },
      execute: {
        deadlineMs: 1_000,
        run: async ({ data }, { flag, settings: { greeting } }) => {
          if (data.answers !== undefined) return { outcome: "passed", output: { greeting } };
          await flag({} as never, []);
          return { outcome: "flagged", flags: [{ rule: "r", message: "m", fields: [] }] };
        },
      },
    });

  test("answers each outcome as a plugin's process comes to it, effects in a real database", async () => {
    const harness = await kept(startHarness(obedient()));
    const ok = await harness.deliver({ data: {} });
    expect(ok).toMatchObject({ outcome: "delivered", attempt: 1, reason: null, dueInMs: null });
    const { rows } = await harness.db.query("SELECT id FROM effects");
    expect(rows).toEqual([{ id: ok.deliveryId }]);
    expect(await harness.deliver({ data: { answer: "rejected" } })).toMatchObject({
      outcome: "rejected",
      reason: "wrong data",
    });
    expect(await harness.deliver({ data: { answer: "failed" } })).toMatchObject({ outcome: "failed" });
    expect(harness.deadLetters.map(({ reason }) => reason)).toEqual(["rejected", "failed"]);
  });

  test("knows copies and older revisions", async () => {
    const harness = await kept(startHarness(obedient()));
    const event = testEvent({ response: "r-1", revision: 2 });
    expect((await harness.deliver(event)).outcome).toBe("delivered");
    expect((await harness.deliver(event)).outcome).toBe("duplicate");
    expect((await harness.deliver({ response: "r-1", revision: 1 })).outcome).toBe("superseded");
  });

  test("retries when time is moved on, and gives up after the last attempt", async () => {
    const harness = await kept(startHarness(obedient(), { retries: { attemptsMax: 3, delayMs: 1_000 } }));
    expect(await harness.deliver({ data: { until: 2 } })).toMatchObject({ outcome: "retry", reason: "not yet" });
    expect(await harness.advance(60_000)).toMatchObject([{ outcome: "delivered", attempt: 2 }]);
    expect(await harness.deliver({ data: { answer: "throws" } })).toMatchObject({ outcome: "retry", reason: "broken" });
    expect(await harness.advance(60_000)).toMatchObject([{ outcome: "retry", attempt: 2 }]);
    expect(await harness.advance(60_000)).toMatchObject([{ outcome: "failed", attempt: 3 }]);
    expect(harness.deadLetters).toMatchObject([{ reason: "failed", attempts: 3 }]);
    expect(await harness.advance(86_400_000)).toEqual([]);
  });

  test("gives up on age, by its own clock", async () => {
    const harness = await kept(startHarness(obedient(), { retries: { ageMsMax: 3_600_000, delayMs: 1_000 } }));
    await harness.deliver({ data: { answer: "throws" } });
    expect(await harness.advance(7_200_000)).toMatchObject([
      { outcome: "failed", reason: expect.stringMatching(/too late/) },
    ]);
  });

  test("keeps what has no settings yet, and drops what a team does not want", async () => {
    const demanding = definePlugin({
      metadata,
      settings: z.object({ url: z.url() }),
      onEvent: async () => delivered(),
    });
    const harness = await kept(startHarness(demanding));
    expect(await harness.deliver()).toMatchObject({ outcome: "waiting", reason: "settings", attempt: 0 });
    expect(await harness.configure({ url: "no url" })).toMatchObject({
      status: "refused",
      reasons: [{ path: "/url" }],
    });
    expect(await harness.configure({ url: "https://example.org" })).toMatchObject({ status: "applied" });
    expect(await harness.advance(0)).toMatchObject([{ outcome: "delivered" }]);
    harness.disable("team-1");
    expect(await harness.deliver()).toMatchObject({ outcome: "disabled" });
    harness.enable("team-1");
    expect(await harness.deliver()).toMatchObject({ outcome: "delivered" });
    await expect(startHarness(demanding, { settings: { url: "wrong" } })).rejects.toThrow(
      /settings are refused.*\/url/,
    );
  });

  test("calls actions and submits, with the team's settings", async () => {
    const harness = await kept(startHarness(obedient(), { settings: { greeting: "Karibu" } }));
    expect(await harness.action("shout", { text: "you" })).toBe("KARIBU YOU");
    await expect(harness.action("shout", { text: 1 })).rejects.toMatchObject({ code: "invalid-input" });
    await expect(harness.action("whisper")).rejects.toMatchObject({ code: "not-found" });
    expect(await harness.submit()).toMatchObject({ outcome: "passed", output: { greeting: "Karibu" } });
    expect(await harness.submit({ data: {} })).toMatchObject({ outcome: "flagged" });
    expect(harness.flags).toHaveLength(1);
  });

  test("takes resources from the test, opens the others, and an Error is one that is away", async () => {
    const story: string[] = [];
    const plugin = definePlugin({
      metadata,
      settings,
      resources: {
        given: resource({ prefix: "GIVEN", settings: { URL: z.string() }, open: ({ URL: url }) => ({ url }) }),
        real: resource({
          prefix: "REAL",
          settings: { NAME: z.string() },
          open: ({ NAME: name }) => name,
          close: (name) => void story.push(`closed ${name}`),
        }),
        away: resource({ prefix: "AWAY", critical: false, open: () => "never asked" }),
      },
      onStart: async ({ resources }) => void story.push(`started with ${resources.real}`),
      onStop: async () => void story.push("stopped"),
      onEvent: async (_, { resources: { given, away } }) => {
        story.push(given.url, String((away as Degradable<string>).available));
        away.use();
        return delivered();
      },
    });
    const harness = await startHarness(plugin, {
      resources: { given: { url: "test://given" }, away: new Error("on holiday") },
      environment: { TESTED_REAL_NAME: "the real one" },
    });
    expect(await harness.deliver()).toMatchObject({ outcome: "retry", reason: "unavailable: away: on holiday" });
    await harness.close();
    expect(story).toEqual(["started with the real one", "test://given", "false", "stopped", "closed the real one"]);
  });

  test("handles every revision where the plugin wants all of them", async () => {
    const plugin = definePlugin({ metadata, settings, revisions: "all", onEvent: async () => delivered() });
    const harness = await kept(startHarness(plugin));
    expect((await harness.deliver({ response: "r-1", revision: 2 })).outcome).toBe("delivered");
    expect((await harness.deliver({ response: "r-1", revision: 1 })).outcome).toBe("delivered");
  });

  test("gives handlers the key of their effect: the delivery's id, or what the plugin makes of it, the same in each attempt", async () => {
    const keys: string[] = [];
    const keyed = (effectKey?: (delivery: { readonly event: { readonly responseId: string | null } }) => string) =>
      definePlugin({
        metadata,
        settings,
        ...(effectKey === undefined ? {} : { effectKey }),
        onEvent: async (delivery) => {
          keys.push(delivery.effectKey);
          return delivery.attempt === 1 ? retry("again") : delivered();
        },
      });
    const plain = await kept(startHarness(keyed()));
    const { deliveryId } = await plain.deliver();
    await plain.advance(60_000);
    expect(keys.splice(0)).toEqual([deliveryId, deliveryId]);
    const own = await kept(startHarness(keyed(({ event }) => `welcome/${event.responseId}`)));
    await own.deliver({ response: "r-7" });
    await own.advance(60_000);
    expect(keys.splice(0)).toEqual(["welcome/r-7", "welcome/r-7"]);
    const wrong = await kept(startHarness(keyed(() => "")));
    expect(await wrong.deliver()).toMatchObject({ outcome: "retry", reason: "effectKey gave 0 characters: 1 to 200" });
    expect(keys).toEqual([]);
  });

  test("takes its database away again", async () => {
    const harness: Harness<typeof settings> = await startHarness(obedient());
    const { rows } = await harness.db.query<{ name: string }>("SELECT current_database() AS name");
    await harness.close();
    const other = await kept(startHarness(obedient()));
    const left = await other.db.query("SELECT datname FROM pg_database WHERE datname = $1", [rows[0]?.name]);
    expect(left.rows).toEqual([]);
  });
});

describe("the fake clock", () => {
  test("wakes who has slept long enough, and nobody else", async () => {
    const clock = new FakeClock();
    const woken: string[] = [];
    const first = clock.sleep(10).then(() => woken.push("first"));
    const second = clock.sleep(20).then(() => woken.push("second"));
    clock.advance(10);
    await first;
    expect(woken).toEqual(["first"]);
    clock.advance(10);
    await second;
    expect(woken).toEqual(["first", "second"]);
    expect(() => clock.advance(-1)).toThrow(RangeError);
  });

  test("ends a sleep that is aborted, with the reason", async () => {
    const abort = new AbortController();
    const sleeping = new FakeClock().sleep(1_000, abort.signal);
    abort.abort(new Error("enough"));
    await expect(sleeping).rejects.toThrow("enough");
  });
});
