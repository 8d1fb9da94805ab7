import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { pacedSends } from "../src/paced-sends.ts";

test("each is sent once, in order, not before it is due, also while an earlier send is under way", async () => {
  const startedAtMs = performance.now();
  const intendedAtMs = (serial: number) => startedAtMs + serial * 5;
  const sent: { readonly serial: number; readonly early: boolean }[] = [];
  await pacedSends({
    from: 2,
    to: 12,
    intendedAtMs,
    send: async (from, to) => {
      for (let serial = from; serial < to; serial++)
        sent.push({ serial, early: performance.now() < intendedAtMs(serial) });
      // The first holds up none of the others.
      if (from === 2) await sleep(200);
    },
  });
  expect(sent.map(({ serial }) => serial)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect(sent.filter(({ early }) => early)).toEqual([]);
});

test("a load that was held up says by how much, and sends what is due at once", async () => {
  const startedAtMs = performance.now() - 300;
  const sends: number[] = [];
  const delayMs = await pacedSends({
    from: 0,
    to: 10,
    intendedAtMs: (serial) => startedAtMs + serial,
    send: async (from, to) => void sends.push(to - from),
  });
  expect(delayMs).toBeGreaterThanOrEqual(300);
  expect(sends).toEqual([10]);
});

test("it ends when it is told to", async () => {
  let sent = 0;
  await pacedSends({
    from: 0,
    to: 1_000_000,
    intendedAtMs: (serial) => serial * 1_000_000,
    send: async (from, to) => {
      sent += to - from;
    },
    stopped: () => true,
  });
  expect(sent).toBe(0);
});

test("a send that fails ends it, and is told", async () => {
  const sends: number[] = [];
  const failing = pacedSends({
    from: 0,
    to: 1_000,
    intendedAtMs: (serial) => performance.now() + serial * 10 - 5,
    send: async (from) => {
      sends.push(from);
      throw new Error("the broker is gone");
    },
  });
  await expect(failing).rejects.toThrow("the broker is gone");
  expect(sends).toHaveLength(1);
});
