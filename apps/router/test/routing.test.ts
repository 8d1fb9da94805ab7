import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { binaryEvent, header, Installation } from "./router-harness.ts";

describe("routing on the real Kafka", () => {
  const at = new Installation();
  beforeAll(async () => {
    await at.open(["sheets", "sms"]);
    at.table.enable("team-1", ["sheets", "sms"]);
    await at.startRouter();
  });
  afterAll(() => at.close());

  test("a response reaches every enabled plugin of its team, bytes unchanged", async () => {
    const sent = binaryEvent("team-1", { id: "e-1", key: "r-1", headers: { traceparent: "00-abc" } });
    await at.send([sent]);
    const [copy] = await at.read(at.topicOf("sheets"), 1);
    expect(copy?.message.value?.toString()).toBe(sent.value);
    expect(copy?.message.key?.toString()).toBe("r-1");
    expect(header(copy, "traceparent")).toBe("00-abc");
    expect(header(copy, "pb-plugin")).toBe("sheets");
    await at.read(at.topicOf("sms"), 1);
    await at.drained();
  });
});
