import { RESPONSES } from "../teams.ts";
import type { Fault } from "./fault.ts";

export const poisonRecords: Fault = {
  name: "poison-records",
  what: "records that are no events in responses",
  touches: ["responses"],
  standsMs: 0,
  short: true,
  inject: async ({ producer, journal }, dice) => {
    const values = ["{", "", "[]", '{"id":1}'].map((text) => `${text} #${dice.below(1e9)}`);
    journal.poison.push(...values);
    await producer.send(
      RESPONSES,
      values.map((value) => ({ key: "poison", value })),
    );
    return async () => {};
  },
};
