import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { LANES, type Lane, pluginTopics } from "@plugboard/contract";
import { binaryEvent, header, Installation, type ReadRecord, until } from "./router-harness.ts";

const PLUGIN = "sms";

describe("the lanes of a plugin", () => {
  const at = new Installation();
  const topics = pluginTopics(PLUGIN, at.prefix);
  let router: Awaited<ReturnType<Installation["startRouter"]>>;

  beforeAll(async () => {
    await at.open([PLUGIN]);
    for (const lane of LANES) await at.createTopic(topics[lane], 3);
    at.table.plugins.set(PLUGIN, {
      v: 1,
      events: ["onResponse", "onAlert"],
      priorityEvents: ["onAlert"],
      sync: null,
      state: "enabled",
    });
    at.table.enable("plain", [PLUGIN]);
    router = await at.startRouter();
  }, 60_000);
  afterAll(() => at.close());

  /** Sends events and waits until their copies are written; answers the ids of each lane, in order. */
  async function routed(team: string, sent: Parameters<typeof at.send>[0]): Promise<Record<Lane, string[]>> {
    await at.send(sent);
    await at.drained();
    const lanes: Record<Lane, string[]> = { priority: [], live: [], bulk: [] };
    for (const lane of LANES) {
      const written = (await at.admin.fetchTopicOffsets(topics[lane])).reduce((sum, { high }) => sum + Number(high), 0);
      if (written > 0) lanes[lane] = idsOf(await at.read(topics[lane], written), team);
    }
    return lanes;
  }

  const idsOf = (records: readonly ReadRecord[], team: string) =>
    records
      .filter((record) => header(record, "pb-team") === team)
      .toSorted((one, other) => one.partition - other.partition || one.offset - other.offset)
      .map((record) => header(record, "ce_id") ?? JSON.parse(String(record.message.value)).id);

  async function metric(pattern: RegExp): Promise<number> {
    return Number(pattern.exec(await router.registry.metrics())?.[1] ?? 0);
  }

  test("are chosen by the event's name and by its own attribute, in every envelope", async () => {
    const flat = { team_id: "plain", event: "onResponse", data: {} };
    const lanes = await routed("plain", [
      binaryEvent("plain", { id: "ordinary" }),
      binaryEvent("plain", { id: "by-name", headers: { ce_type: "onAlert" } }),
      binaryEvent("plain", { id: "by-attribute", headers: { ce_priority: "urgent" } }),
      binaryEvent("plain", { id: "imported", headers: { ce_priority: "bulk", ce_type: "onAlert" } }),
      binaryEvent("plain", { id: "unheard-of", headers: { ce_priority: "soonish" } }),
      { key: "r", value: JSON.stringify({ ...flat, id: "flat-urgent", priority: "urgent" }) },
      { key: "r", value: JSON.stringify({ ...flat, id: "flat-bulk", priority: "bulk" }) },
    ]);
    expect(lanes.live.toSorted()).toEqual(["ordinary", "unheard-of"]);
    expect(lanes.priority.toSorted()).toEqual(["by-attribute", "by-name", "flat-urgent"]);
    expect(lanes.bulk.toSorted()).toEqual(["flat-bulk", "imported"]);
  });

  test("what is over a team's quota takes bulk, in order, and none of it is dropped; urgent or not", async () => {
    // Next to nothing comes back while the test runs.
    at.table.enable("busy", [PLUGIN], { quota: { eventsPerSecond: 0.001, burst: 5 } });
    const ids = Array.from({ length: 200 }, (_, index) => `b-${index}`);
    const before = await metric(/router_over_quota_total\{plugin="sms"[^}]*\} (\d+)/);
    const lanes = await routed(
      "busy",
      ids.map((id, index) => ({
        ...binaryEvent("busy", { id, key: "one-key", headers: index % 2 === 1 ? { ce_priority: "urgent" } : {} }),
      })),
    );
    expect(lanes).toEqual({
      live: ["b-0", "b-2", "b-4"],
      priority: ["b-1", "b-3"],
      bulk: ids.slice(5),
    });
    expect(await metric(/router_over_quota_total\{plugin="sms"[^}]*\} (\d+)/)).toBe(before + 195);
    // Others' are none of its business.
    expect((await routed("plain", [binaryEvent("plain", { id: "meanwhile" })])).live).toContain("meanwhile");
  });

  test("a plugin's own quota is its own: what one plugin takes into bulk, another of the team gets live", async () => {
    const plugin = "slang";
    const others = pluginTopics(plugin, at.prefix);
    for (const lane of LANES) await at.createTopic(others[lane], 3);
    at.table.enable("own", [PLUGIN, plugin], { quota: { eventsPerSecond: 0.001, burst: 5 } });
    const entry = at.table.teams.get("own");
    const ofTeam = entry?.plugins ?? [];
    at.table.teams.set("own", {
      v: 2,
      plugins: ofTeam.map((route) =>
        route.id === plugin ? { ...route, quota: { eventsPerSecond: 0.001, burst: 20 } } : route,
      ),
    });
    const ids = Array.from({ length: 30 }, (_, index) => `o-${index}`);
    const lanes = await routed(
      "own",
      ids.map((id) => binaryEvent("own", { id, key: "one-key" })),
    );
    expect([lanes.live, lanes.bulk]).toEqual([ids.slice(0, 5), ids.slice(5)]);
    expect(idsOf(await at.read(others.live, 20), "own")).toEqual(ids.slice(0, 20));
    expect(idsOf(await at.read(others.bulk, 10), "own")).toEqual(ids.slice(20));
  });

  test("a team is back in the live lane by itself once it keeps to its quota again, and history uses none of it up", async () => {
    at.table.enable("back", [PLUGIN], { quota: { eventsPerSecond: 2, burst: 1 } });
    const history = Array.from({ length: 20 }, (_, index) =>
      binaryEvent("back", { id: `h-${index}`, headers: { ce_priority: "bulk" } }),
    );
    const flood = ["f-0", "f-1", "f-2"].map((id) => binaryEvent("back", { id, key: "flood" }));
    const first = await routed("back", [...history, ...flood]);
    expect(first.live).toEqual(["f-0"]);
    expect(first.bulk).toHaveLength(22);
    await sleep(600);
    const second = await routed("back", [binaryEvent("back", { id: "calm", key: "flood" })]);
    expect(second.live).toEqual(["f-0", "calm"]);
  });

  test("are counted by plugin and lane", async () => {
    for (const lane of LANES)
      expect(
        await metric(new RegExp(`router_copies_total\\{plugin="sms",lane="${lane}"[^}]*\\} (\\d+)`)),
      ).toBeGreaterThan(0);
  });

  test("two routers together let through what the quota says", async () => {
    at.table.enable("shared", [PLUGIN], { quota: { eventsPerSecond: 0.001, burst: 30 } });
    const second = await at.startRouter();
    const assigned = async (one: typeof router) =>
      Number(/router_assigned_partitions(?:\{[^}]*\})? (\d+)/.exec(await one.registry.metrics())?.[1] ?? 0);
    await until("both have partitions", async () => {
      const counts = await Promise.all([assigned(router), assigned(second)]);
      return counts.every((count) => count > 0) && counts.reduce((sum, count) => sum + count, 0) === 3;
    });
    const ids = Array.from({ length: 300 }, (_, index) => `s-${index}`);
    const lanes = await routed(
      "shared",
      ids.map((id) => binaryEvent("shared", { id, key: id })),
    );
    expect([...lanes.live, ...lanes.bulk].toSorted()).toEqual(ids.toSorted());
    expect(lanes.live).toHaveLength(30);
  }, 90_000);
});
