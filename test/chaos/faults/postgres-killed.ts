import type { Installation } from "../installation.ts";
import type { Fault } from "./fault.ts";

export const postgresKilled: Fault<Pick<Installation, "postgres">> = {
  name: "postgres-killed",
  what: "kill -9 of Postgres for 8 s",
  touches: ["postgres"],
  standsMs: 8_000,
  inject: async ({ postgres }) => {
    await postgres.kill();
    return () => postgres.start();
  },
};
