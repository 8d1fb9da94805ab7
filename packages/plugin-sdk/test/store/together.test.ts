import { describe, expect, test } from "@jest/globals";
import { together } from "../../src/store/together.ts";

/** Statements that end when told to. */
function statements() {
  const asked: (readonly number[])[] = [];
  const ends: (() => void)[] = [];
  const ask = async (items: readonly number[]): Promise<number[]> => {
    asked.push(items);
    await new Promise<void>((resolve) => ends.push(resolve));
    return items.map((item) => item * 2);
  };
  const end = async () => {
    ends.shift()?.();
    await turn();
  };
  return { asked, ask, end };
}
const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

describe("together", () => {
  test("asks at once while there is room, and what comes meanwhile together, in its order", async () => {
    const { asked, ask, end } = statements();
    const one = together({ itemsMax: 3, atOnceMax: 1, ask });
    const first = one(1);
    await turn();
    const others = [2, 3, 4, 5].map(one);
    await turn();
    expect(asked).toEqual([[1]]);
    await end();
    expect(asked).toEqual([[1], [2, 3, 4]]);
    await end();
    await end();
    expect(asked).toEqual([[1], [2, 3, 4], [5]]);
    expect(await Promise.all([first, ...others])).toEqual([2, 4, 6, 8, 10]);
  });

  test("asks for each alone where a statement fails: one that is refused takes no other with it", async () => {
    const one = together({
      itemsMax: 10,
      atOnceMax: 1,
      ask: async (items: readonly number[]) => {
        if (items.includes(2)) throw new Error("two is refused");
        return items;
      },
    });
    const ends = await Promise.allSettled([1, 2, 3].map(one));
    expect(ends.map((end) => (end.status === "fulfilled" ? end.value : end.reason.message))).toEqual([
      1,
      "two is refused",
      3,
    ]);
    expect(await one(4)).toBe(4);
  });

  test("never takes a failure for an answer, whatever was thrown", async () => {
    const ask = async () => {
      throw { message: "an error of another realm" };
    };
    const one = together<number, number>({ itemsMax: 10, atOnceMax: 1, ask });
    const ends = await Promise.allSettled([1, 2].map(one));
    expect(ends.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(ends[0]).toMatchObject({ reason: { message: "an error of another realm" } });
  });
});
