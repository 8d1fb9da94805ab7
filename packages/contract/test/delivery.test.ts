import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { deliveryId } from "../src/index.ts";

describe("deliveryId", () => {
  test("is the same for the same tuple and 32 hex digits long", () => {
    const id = deliveryId("team-1", "sms", "core", "event-1");
    expect(id).toBe(deliveryId("team-1", "sms", "core", "event-1"));
    expect(id).toMatch(/^[0-9a-f]{32}$/);
  });

  test("differs for any two different tuples, also when the parts join to the same text", () => {
    const part = fc.string({ maxLength: 6 });
    fc.assert(
      fc.property(fc.tuple(part, part, part, part), fc.tuple(part, part, part, part), (a, b) => {
        const same = a.every((value, index) => value === b[index]);
        expect(deliveryId(...a) === deliveryId(...b)).toBe(same);
      }),
    );
    expect(deliveryId("a", "bc", "s", "e")).not.toBe(deliveryId("ab", "c", "s", "e"));
  });
});
