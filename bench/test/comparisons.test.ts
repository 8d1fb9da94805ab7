import { expect, test } from "@jest/globals";
import { affordableRecords } from "../src/comparisons.ts";

test("large records and large fan-outs take fewer records: what is written stays in memory", () => {
  expect(affordableRecords({ fanout: 0, size: 200 })).toBe(1_000_000);
  expect(affordableRecords({ fanout: 2, size: 490 })).toBe(1_000_000);
  expect(affordableRecords({ fanout: 100, size: 200 })).toBe(20_000);
  expect(affordableRecords({ fanout: 1, size: 921_600 })).toBe(4_340);
  expect(affordableRecords({ fanout: 100, size: 921_600 })).toBe(43);
});
