import { describe, expect, test } from "@jest/globals";
import { LANES, type Lane } from "@plugboard/contract";
import { waitUntil } from "@plugboard/stack";
import fc from "fast-check";
import { FairPool } from "../../src/delivery/fair-pool.ts";

/** Nothing is late in these. */
const PROMPT = { lateMs: 3_600_000, lateMax: 0 };

/** Tasks that end when told to, in any order. */
class Gate {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, () => void>();
  readonly task = (name: string) => () =>
    new Promise<void>((resolve) => {
      this.begun.push(name);
      this.#ends.set(name, resolve);
    });
  async end(name: string): Promise<void> {
    this.#ends.get(name)?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("FairPool", () => {
  test("gives free places to teams in turns, whoever queued first", async () => {
    const gate = new Gate();
    // No time passes: whatever tasks cost, they cost the same.
    const pool = new FairPool({ inFlightMax: 1, teamInFlightMax: 1, ...PROMPT }, () => 0);
    for (const name of ["a1", "a2", "a3"]) void pool.run("a", null, gate.task(name));
    for (const name of ["b1", "b2"]) void pool.run("b", null, gate.task(name));
    while (gate.begun.length < 5) await gate.end(gate.begun.at(-1) ?? "");
    expect(gate.begun).toEqual(["a1", "b1", "a2", "b2", "a3"]);
  });

  test("gives a team whose tasks are slow fewer turns, some all the same, and no debts for ever", async () => {
    const gate = new Gate();
    let now = 0;
    const pool = new FairPool({ inFlightMax: 1, teamInFlightMax: 1, ...PROMPT }, () => now);
    const names = Array.from({ length: 60 }, (_, index) => index);
    for (const index of names) void pool.run("slow", null, gate.task(`slow${index}`));
    for (const index of names) void pool.run("quick", null, gate.task(`quick${index}`));
    for (let turn = 0; turn < 40; turn += 1) {
      const name = gate.begun.at(-1) ?? "";
      now += name.startsWith("slow") ? 500 : 5;
      await gate.end(name);
    }
    const slow = gate.begun.filter((name) => name.startsWith("slow")).length;
    // 500 ms are ten shares: ten quick ones for each slow one.
    expect([slow >= 3, slow <= 6]).toEqual([true, true]);
    now += 3_600_000;
    await gate.end(gate.begun.at(-1) ?? "");
    const after = gate.begun.length;
    for (let turn = 0; turn < 45; turn += 1) await gate.end(gate.begun.at(-1) ?? "");
    expect(gate.begun.slice(after).some((name) => name.startsWith("slow"))).toBe(true);
  });

  test("leaves places to others while every task of one team hangs", async () => {
    const gate = new Gate();
    const pool = new FairPool({ inFlightMax: 4, teamInFlightMax: 2, ...PROMPT });
    for (let index = 0; index < 10; index += 1) void pool.run("slow", null, gate.task(`slow${index}`));
    void pool.run("quick", null, gate.task("quick"));
    expect(gate.begun).toEqual(["slow0", "slow1", "quick"]);
    expect(pool.inFlight).toBe(3);
  });

  test("takes its places back from tasks that are late, as many as may be late at once", async () => {
    const gate = new Gate();
    const pool = new FairPool({ inFlightMax: 4, teamInFlightMax: 2, lateMs: 20, lateMax: 5 });
    for (const team of ["a", "b", "c", "d"])
      for (let index = 0; index < 3; index += 1) void pool.run(team, null, gate.task(`${team}${index}`));
    expect(gate.begun).toHaveLength(4);
    // Two of each team: a third is not begun while two of its team are under way, late or not. Nine in all: five late, four places.
    await waitUntil("as many are late as may be", 30_000, async () => (gate.begun.length >= 8 ? true : undefined));
    expect(gate.begun.toSorted()).toEqual(["a0", "a1", "b0", "b1", "c0", "c1", "d0", "d1"]);
    void pool.run("e", null, gate.task("e0"));
    await waitUntil("one more has a place", 30_000, async () => (gate.begun.includes("e0") ? true : undefined));
    void pool.run("f", null, gate.task("f0"));
    expect([gate.begun.includes("f0"), pool.inFlight, pool.hasRoom]).toEqual([false, 4, false]);
    for (const [name, begun] of [
      ["a0", 10],
      ["b0", 11],
    ] as const) {
      await gate.end(name);
      await waitUntil("what ended is followed by one", 30_000, async () =>
        gate.begun.length === begun ? true : undefined,
      );
    }
    while (gate.begun.length < 14) for (const name of [...gate.begun]) await gate.end(name);
    for (const name of gate.begun) await gate.end(name);
    expect(pool.inFlight).toBe(0);
  });

  test("gives a task back that has not begun, and lets the one behind it begin", async () => {
    const gate = new Gate();
    const pool = new FairPool({ inFlightMax: 2, teamInFlightMax: 1, ...PROMPT });
    const first = pool.submit("a", "k", gate.task("a1"));
    const second = pool.submit("a", "k", gate.task("a2"));
    const third = pool.submit("a", "l", gate.task("a3"));
    void pool.run("a", "l", gate.task("a4"));
    expect([first.withdraw(), second.withdraw(), second.withdraw(), third.withdraw()]).toEqual([
      false,
      true,
      false,
      true,
    ]);
    await gate.end("a1");
    await gate.end("a4");
    void pool.run("a", "k", gate.task("a5"));
    expect(gate.begun).toEqual(["a1", "a4", "a5"]);
    expect([pool.inFlight, pool.hasRoom, pool.hasItsShare("a"), pool.hasItsShare("b")]).toEqual([1, true, true, false]);
  });

  test("takes the lanes by weight while all have something waiting, and starves none", async () => {
    const pool = new FairPool({ inFlightMax: 1, teamInFlightMax: 1, ...PROMPT });
    const begun: Lane[] = [];
    const run = (lane: Lane) => pool.run(lane, null, async () => void begun.push(lane), lane);
    // What stands first in the line has nothing to say: bulk was there long before.
    const all = (["bulk", "live", "priority"] as const).flatMap((lane) => Array.from({ length: 130 }, () => run(lane)));
    await Promise.all(all);
    const rounds = begun.slice(0, 130);
    expect(LANES.map((lane) => rounds.filter((one) => one === lane).length)).toEqual([80, 40, 10]);
    expect(begun).toHaveLength(390);
  });

  test("saves no turns up for a lane that had nothing, or could not begin", async () => {
    const pool = new FairPool({ inFlightMax: 1, teamInFlightMax: 1, ...PROMPT });
    const begun: Lane[] = [];
    const run = (lane: Lane) => pool.run(lane, null, async () => void begun.push(lane), lane);
    await Promise.all(Array.from({ length: 500 }, () => run("live")));
    begun.length = 0;
    const both = Array.from({ length: 50 }, () => [run("live"), run("bulk")]);
    await Promise.all(both.flat());
    // Five to one, from the first to the last that both have.
    expect(begun.slice(0, 50).filter((lane) => lane === "bulk").length).toBeLessThanOrEqual(11);
    expect(begun.slice(0, 12).filter((lane) => lane === "bulk").length).toBeLessThanOrEqual(3);
  });

  test("keeps a quarter of the places from bulk, whoever sends it, and none from the others", async () => {
    const gate = new Gate();
    const pool = new FairPool({ inFlightMax: 8, teamInFlightMax: 4, ...PROMPT });
    for (const team of ["a", "b", "c"])
      for (let index = 0; index < 5; index += 1) void pool.run(team, null, gate.task(`${team}${index}`), "bulk");
    expect(gate.begun).toHaveLength(6);
    void pool.run("d", null, gate.task("live"));
    void pool.run("e", null, gate.task("urgent"), "priority");
    expect(gate.begun.slice(6)).toEqual(["live", "urgent"]);
    await gate.end("live");
    expect(gate.begun).toHaveLength(8);
    await gate.end("a0");
    expect(gate.begun).toHaveLength(9);
  });

  test("has no two tasks of one key under way, whatever their lanes, and keeps each lane's order", async () => {
    const gate = new Gate();
    const pool = new FairPool({ inFlightMax: 4, teamInFlightMax: 4, ...PROMPT });
    void pool.run("a", "k", gate.task("bulk1"), "bulk");
    void pool.run("a", "k", gate.task("bulk2"), "bulk");
    void pool.run("a", "k", gate.task("live1"));
    const second = pool.submit("a", "k", gate.task("live2"));
    void pool.run("a", "l", gate.task("other"));
    expect(gate.begun).toEqual(["bulk1", "other"]);
    await gate.end("bulk1");
    expect(gate.begun).toEqual(["bulk1", "other", "live1"]);
    expect(second.withdraw()).toBe(true);
    await gate.end("live1");
    expect(gate.begun).toEqual(["bulk1", "other", "live1", "bulk2"]);
    void pool.run("a", "k", gate.task("live3"));
    const fourth = pool.submit("a", "k", gate.task("urgent"), "priority");
    expect(fourth.withdraw()).toBe(true);
    await gate.end("bulk2");
    expect(gate.begun.at(-1)).toBe("live3");
  });

  test("passes results and errors on, also of tasks that throw at once", async () => {
    const pool = new FairPool({ inFlightMax: 1, teamInFlightMax: 1, ...PROMPT });
    const thrown = pool.run("a", "k", () => {
      throw new Error("at once");
    });
    await expect(thrown).rejects.toThrow("at once");
    await expect(pool.run("a", "k", async () => 7)).resolves.toBe(7);
    expect(pool.inFlight).toBe(0);
  });

  test("runs every task once, keeps both limits, and the order within a key", async () => {
    const task = fc.record({
      team: fc.constantFrom("a", "b", "c"),
      key: fc.constantFrom(null, "k", "l"),
      turns: fc.integer({ min: 0, max: 3 }),
      lane: fc.constantFrom(...LANES),
    });
    const limits = fc.record({
      inFlightMax: fc.integer({ min: 1, max: 5 }),
      teamInFlightMax: fc.integer({ min: 1, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(task, { maxLength: 40 }), limits, async (tasks, limit) => {
        const pool = new FairPool({ ...limit, ...PROMPT });
        const active: { team: string; chain: string | null }[] = [];
        const ended: number[] = [];
        await Promise.all(
          tasks.map(({ team, key, turns, lane }, index) => {
            const work = async () => {
              const own = { team, chain: key === null ? null : `${team}/${key}` };
              expect(active.filter(({ chain }) => chain !== null && chain === own.chain)).toEqual([]);
              active.push(own);
              expect(active.length).toBeLessThanOrEqual(limit.inFlightMax);
              expect(active.filter((other) => other.team === team).length).toBeLessThanOrEqual(limit.teamInFlightMax);
              for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
              active.splice(active.indexOf(own), 1);
              ended.push(index);
            };
            return pool.run(team, key, work, lane);
          }),
        );
        expect(ended.toSorted((a, b) => a - b)).toEqual(tasks.map((_, index) => index));
        for (const team of ["a", "b", "c"]) {
          for (const key of ["k", "l"]) {
            for (const lane of LANES) {
              const ofKey = ended.filter((index) => {
                const of = tasks[index];
                return of?.team === team && of.key === key && of.lane === lane;
              });
              expect(ofKey).toEqual(ofKey.toSorted((a, b) => a - b));
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
