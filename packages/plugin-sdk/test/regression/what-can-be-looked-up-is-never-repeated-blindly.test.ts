import { afterEach, describe, expect, test } from "@jest/globals";
import { z } from "zod";
import { definePlugin, delivered } from "../../src/index.ts";
import { startHarness } from "../../src/testing/index.ts";

let close = async () => {};
afterEach(() => close());

describe("an attempt that ran out of time after its effect", () => {
  test("is looked up before it is repeated, also where a plugin may be repeated", async () => {
    const called: string[] = [];
    const harness = await startHarness(
      definePlugin({
        metadata: { id: "looked-up", name: "Looked up", description: "", version: "1", events: ["onResponse"] },
        settings: z.object({}),
        redeliver: "safe",
        handlerDeadlineMs: 200,
        onEvent: async () => {
          called.push("effect");
          return await new Promise(() => {});
        },
        resolveUnknown: async () => {
          called.push("look-up");
          return delivered();
        },
      }),
    );
    close = () => harness.close();
    const { outcome } = await harness.deliver({ response: "r-1" });
    expect(outcome).toBe("retry");
    expect(await harness.advance(3_600_000)).toMatchObject([{ outcome: "delivered" }]);
    expect(called).toEqual(["effect", "look-up"]);
  });
});
