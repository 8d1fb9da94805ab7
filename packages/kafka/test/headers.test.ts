import { describe, expect, test } from "@jest/globals";
import { headerReader } from "@plugboard/kafka";

describe("headerReader", () => {
  test("reads text from bytes and strings", () => {
    const read = headerReader({ a: Buffer.from("één"), b: "two" });
    expect([read("a"), read("b")]).toEqual(["één", "two"]);
  });

  test("takes the last of a repeated header", () => {
    expect(headerReader({ a: ["1", Buffer.from("2")] })("a")).toBe("2");
  });

  test("knows no header that is not there", () => {
    expect(headerReader({})("a")).toBeUndefined();
    expect(headerReader(undefined)("a")).toBeUndefined();
    expect(headerReader({ a: [] })("a")).toBeUndefined();
    expect(headerReader({ a: null as unknown as undefined })("a")).toBeUndefined();
  });
});
