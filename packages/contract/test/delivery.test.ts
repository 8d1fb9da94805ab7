import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { deliveryId } from "../src/index.ts";

describe("deliveryId", () => {
  test("is the same for the same tuple: the plugin, and the digest of the event", () => {
    const id = deliveryId("team-1", "sms", "core", "event-1");
    expect(id).toBe(deliveryId("team-1", "sms", "core", "event-1"));
    expect(id).toMatch(/^sms\.[0-9a-f]{32}$/);
    expect(deliveryId("team-1", "sheets", "core", "event-1").slice(-32)).toBe(id.slice(-32));
  });

  test("differs for any two different tuples, also when the parts join to the same text", () => {
    const part = fc.string({ maxLength: 6 });
    fc.assert(
      fc.property(fc.tuple(part, part, part, part), fc.tuple(part, part, part, part), (a, b) => {
        const same = a.every((value, index) => value === b[index]);
        expect(deliveryId(...a) === deliveryId(...b)).toBe(same);
      }),
    );
    expect(deliveryId("a", "p", "bs", "e")).not.toBe(deliveryId("ab", "p", "s", "e"));
  });
});
