import { describe, expect, test } from "@jest/globals";
import type { KafkaMessage } from "@plugboard/kafka";
import { recordCopy } from "../../src/consumer/record-copy.ts";

describe("recordCopy", () => {
  test("keeps repeated headers in order, and takes one without a value as absent", () => {
    const headers = { a: [Buffer.from("1"), null, Buffer.from("2")], b: null, c: Buffer.alloc(0) };
    const message = { key: null, value: null, offset: "7", headers } as unknown as KafkaMessage;
    const copy = recordCopy(message, "plugin.p", 3);
    expect(copy.headers.map(([name, value]) => [name, value.toString()])).toEqual([
      ["a", "1"],
      ["a", "2"],
      ["c", ""],
    ]);
    expect(copy.readFrom).toBe("plugin.p/3/7");
  });
});
