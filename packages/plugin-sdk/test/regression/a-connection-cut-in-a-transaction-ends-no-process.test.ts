import { afterEach, describe, expect, test } from "@jest/globals";
import { z } from "zod";
import { definePlugin } from "../../src/index.ts";
import { startHarness } from "../../src/testing/index.ts";

let close = async () => {};
afterEach(() => close());

describe("a database connection that is cut between two statements of a delivery's transaction", () => {
  test("fails the attempt, and not the process: the delivery is tried again", async () => {
    const harness = await startHarness(
      definePlugin({
        metadata: { id: "cut", name: "Cut", description: "", version: "1", events: ["onResponse"] },
        settings: z.object({}),
        migrations: ["CREATE TABLE effects (attempt int NOT NULL)"],
        onEvent: async ({ attempt }, { transaction, db }) => {
          await transaction(async (client) => {
            await client.query("INSERT INTO effects VALUES ($1)", [attempt]);
            if (attempt > 1) return;
            const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
            // Not `once` of node:events, which listens for errors as well: nobody does, in a handler.
            const gone = new Promise((resolve) => client.once("end", resolve));
            await db.query("SELECT pg_terminate_backend($1)", [rows[0]?.pid]);
            await gone;
          });
          return undefined;
        },
      }),
    );
    close = () => harness.close();
    expect(await harness.deliver({ response: "r-1" })).toMatchObject({ outcome: "retry" });
    expect(await harness.advance(3_600_000)).toMatchObject([{ outcome: "delivered" }]);
    expect((await harness.db.query("SELECT attempt FROM effects")).rows).toEqual([{ attempt: 2 }]);
  });
});
