import { expect, test } from "@jest/globals";
import { ReusedMemory } from "../../src/adapters/reused-memory.ts";

test("is lent to one at a time, used again by the next, and within its bound", () => {
  const memory = new ReusedMemory(1_000);
  const first = memory.lend(200);
  const used = first.take(150);
  const meanwhile = memory.lend(200);
  expect(meanwhile.take(150).buffer).not.toBe(used.buffer);
  meanwhile.end();
  expect(memory.lend(50).take(50).buffer).not.toBe(used.buffer);
  first.end();
  const second = memory.lend(200);
  const [a, b] = [second.take(100), second.take(100)];
  expect([a.buffer, b.buffer]).toEqual([used.buffer, used.buffer]);
  expect(b.byteOffset - a.byteOffset).toBe(100);
  second.end();
  expect(memory.lend(2_000).take(2_000)).toHaveLength(2_000);
});
