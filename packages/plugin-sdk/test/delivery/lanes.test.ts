import { afterEach, describe, expect, test } from "@jest/globals";
import { LANES } from "@plugboard/contract";
import { waitUntil } from "@plugboard/stack";
import { z } from "zod";
import { type Delivery, definePlugin } from "../../src/index.ts";
import { openStage, type PluginStage } from "../support/plugin-stage.ts";

const WAIT_MS = 60_000;
const BACKLOG = 5_000;
/** A busy machine takes minutes for it. */
const IMPORT_MS = 300_000;
/** Copies of one produce request: below the brokers' limit of a batch. */
const SENT_AT_ONCE = 500;

let stage: PluginStage;
afterEach(() => stage.close());

const plugin = (onEvent: (delivery: Delivery) => Promise<undefined>) =>
  definePlugin({
    metadata: { id: "laned", name: "Laned", description: "", version: "1", events: ["onResponse"] },
    settings: z.object({}),
    onEvent,
  });

describe("the lanes of a plugin", () => {
  test("are all delivered and committed, each by a group of its own, and told apart by the metrics", async () => {
    stage = await openStage("laned");
    stage.manager.enable("team-1");
    const running = await stage.start(plugin(async () => undefined));
    for (const lane of LANES) {
      const id = await stage.route({ team: "team-1", response: `r-${lane}` }, lane);
      expect(await stage.settled(id)).toBe("delivered");
      await stage.committed(lane);
    }
    const text = await (await fetch(`${running.url}/metrics`)).text();
    for (const lane of LANES) {
      expect(text).toMatch(new RegExp(`plugin_lag_records\\{lane="${lane}",partition="0"[^}]*\\} 0`));
      expect(text).toMatch(new RegExp(`plugin_assigned_partitions\\{lane="${lane}"[^}]*\\} 1`));
    }
  });

  test("whose topics are missing hold up nothing but themselves, and are taken up once they are there", async () => {
    stage = await openStage("laned", 1, ["live"]);
    stage.manager.enable("team-1");
    const running = await stage.start(plugin(async () => undefined));
    const live = await stage.route({ team: "team-1", response: "r-1" });
    expect(await stage.settled(live)).toBe("delivered");
    const ready = await fetch(`${running.url}/readyz`);
    expect(ready.status).toBe(200);
    expect(await ready.text()).toMatch(/laned\.bulk/);
    await stage.createLanes(["bulk"]);
    const bulk = await stage.route({ team: "team-1", response: "r-2" }, "bulk");
    expect(await stage.settled(bulk)).toBe("delivered");
  });

  test(
    `are one pool: ${BACKLOG} in bulk of one team do not delay another's live deliveries, and all arrive`,
    async () => {
      stage = await openStage("laned", 3);
      stage.manager.enable("importer");
      stage.manager.enable("other");
      const copies = Array.from({ length: BACKLOG }, (_, index) =>
        stage.copyOf({ team: "importer", response: `i-${index}` }),
      );
      for (let from = 0; from < BACKLOG; from += SENT_AT_ONCE)
        await stage.producer.send(
          stage.topics.bulk,
          copies.slice(from, from + SENT_AT_ONCE).map(({ record }) => record),
        );
      let imported = 0;
      const importedBefore = new Map<string, number>();
      await stage.start(
        plugin(async ({ team, event }) => {
          if (team === "importer") imported += 1;
          else importedBefore.set(event.responseId ?? "", imported);
          return undefined;
        }),
      );
      await waitUntil("the import is under way", WAIT_MS, () => (imported > 0 ? true : undefined));
      const overtaken: number[] = [];
      for (let index = 0; index < 20; index += 1) {
        const sentAt = imported;
        await stage.route({ team: "other", response: `o-${index}` });
        const handledAt = await waitUntil("the other team's is handled", WAIT_MS, () =>
          importedBefore.get(`o-${index}`),
        );
        overtaken.push(handledAt - sentAt);
      }
      // One that waited its turn behind what was fetched before it would wait for hundreds, or for all of them.
      expect(overtaken.toSorted((one, other) => one - other)[10]).toBeLessThan(200);
      expect(imported).toBeLessThan(BACKLOG);
      await waitUntil("all of the import has arrived", IMPORT_MS, () => (imported >= BACKLOG ? true : undefined));
      await stage.committed("bulk");
      expect(imported).toBe(BACKLOG);
    },
    2 * IMPORT_MS,
  );
});
