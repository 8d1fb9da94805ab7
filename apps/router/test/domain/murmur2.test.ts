import { expect, test } from "@jest/globals";
import { compatibilityPartitioner } from "@platformatic/kafka";
import fc from "fast-check";
import { RecordContent } from "../../src/domain/record-content.ts";

test("a key has the hash that Java's clients choose its partition by, as the client reckons it", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (array) => {
      const key = Buffer.from(array);
      const hash = compatibilityPartitioner({ topic: "", value: key }, key);
      expect(RecordContent.of({ key, value: Buffer.from("value") }).keyHash).toBe(hash);
    }),
    { numRuns: 500 },
  );
  expect(RecordContent.of({ key: null, value: null }).keyHash).toBe(-1);
});
