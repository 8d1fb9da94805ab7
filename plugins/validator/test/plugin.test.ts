import { describe, expect, jest, test } from "@jest/globals";
import { type EventAttributes, executeResponseSchema, type Flag } from "@plugboard/contract";
import type { DeliveryContext } from "@plugboard/plugin-sdk";
import { settingsSchema, type ValidatorSettings } from "../src/domain/settings.ts";
import { validator } from "../src/plugin.ts";

const settings = settingsSchema.parse({
  rules: [
    {
      id: "savings",
      check: "answers.savings <= answers.income",
      message: "more saved than earned",
      fields: ["savings"],
    },
    { id: "age", check: "answers.age >= 18", message: "too young" },
  ],
});
const event: EventAttributes = {
  id: "e1",
  source: "core",
  type: "onResponse",
  teamId: "team-1",
  formId: "form-1",
  responseId: "r1",
  revision: 1,
  time: null,
  priority: null,
};

function context() {
  const flag = jest.fn(async (_event: EventAttributes, _flags: readonly Flag[]) => {});
  return {
    flag,
    context: { settings, flag, logger: { debug: () => {} } } as unknown as DeliveryContext<ValidatorSettings>,
  };
}

describe("the validator inside a submit", () => {
  test("passes a good response and says which rules it could not ask", async () => {
    const answer = await validator.execute?.run(
      { event, data: { answers: { savings: 1, income: 2 } } },
      context().context,
    );
    expect(executeResponseSchema.parse(answer)).toEqual({
      outcome: "passed",
      flags: [],
      output: { checked: 1, skipped: [{ rule: "age", reason: "missing-answer", detail: "No such key: age" }] },
    });
  });

  test("flags a wrong one and publishes nothing, for the submit's answer carries the flags", async () => {
    const { context: given, flag } = context();
    const answer = await validator.execute?.run(
      { event, data: { answers: { savings: 3, income: 2, age: 20 } } },
      given,
    );
    expect(answer).toMatchObject({ outcome: "flagged", flags: [{ rule: "savings", fields: ["savings"] }] });
    expect(flag).not.toHaveBeenCalled();
  });
});

describe("the validator on an event", () => {
  const deliver = (answers: object, given: DeliveryContext<ValidatorSettings>, responseId: string | null = "r1") =>
    validator.onEvent?.(
      { id: "d1", effectKey: "d1", team: "team-1", attempt: 1, event: { ...event, responseId }, data: { answers } },
      given,
    );

  test("sends a wrong response back with all its flags", async () => {
    const { context: given, flag } = context();
    expect(await deliver({ savings: 3, income: 2, age: 17 }, given)).toEqual({ kind: "delivered" });
    expect(flag).toHaveBeenCalledTimes(1);
    expect(flag.mock.calls[0]?.[1].map(({ rule }) => rule)).toEqual(["savings", "age"]);
  });

  test("flags nothing on a good response or one it cannot judge", async () => {
    const { context: given, flag } = context();
    expect(await deliver({ savings: 1, income: 2, age: 18 }, given)).toEqual({ kind: "delivered" });
    expect(await deliver({}, given)).toEqual({ kind: "delivered" });
    expect(flag).not.toHaveBeenCalled();
  });

  test("fails the delivery when the flag could not be published, so that it is tried again", async () => {
    const { context: given, flag } = context();
    flag.mockRejectedValueOnce(new Error("Kafka is away"));
    await expect(deliver({ savings: 3, income: 2 }, given)).rejects.toThrow("Kafka is away");
  });

  test("rejects a wrong response that has no id to be sent back by", async () => {
    expect(await deliver({ savings: 3, income: 2 }, context().context, null)).toMatchObject({ kind: "rejected" });
  });
});

test("settings are checked with every problem when they are configured", async () => {
  const wrong = settingsSchema.parse({ rules: [{ id: "a", check: "answers.a >", message: "m" }] });
  expect(await validator.validateSettings?.(wrong, context().context)).toEqual([
    { path: "/rules/0/check", message: "line 1, column 12: Unexpected token: EOF" },
  ]);
});
