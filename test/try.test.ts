import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  DEAD_LETTER_HEADER,
  DELIVERY_HEADER,
  deliveryId,
  type PluginEntry,
  pluginTopics,
  type TeamRoute,
  type TrialResponse,
  trialRequestSchema,
} from "@plugboard/contract";
import { compileFilter } from "@plugboard/routing-table";
import fc from "fast-check";
import type { PluginRecord } from "../apps/manager/src/domain/records.ts";
import { RouteTrial } from "../apps/manager/src/domain/route-trial.ts";
import { decodeRecord } from "../apps/router/src/domain/decode-record.ts";
import { RecordContent } from "../apps/router/src/domain/record-content.ts";
import { routeEvent } from "../apps/router/src/domain/route-event.ts";
import { PlugboardUnderTest } from "./plugboard-under-test.ts";
import { headerOf, type TopicReader } from "./topic-reader.ts";

const pluginEntry: fc.Arbitrary<PluginEntry> = fc.record({
  v: fc.nat(99),
  events: fc.subarray(["onResponse", "onFormCreation"]),
  priorityEvents: fc.subarray(["onResponse"]),
  sync: fc.constantFrom(null, { url: "http://127.0.0.1:1", deadlineMs: 100 }),
  state: fc.constantFrom("enabled", "enabled", "disabled", "deregistered"),
});
const routeOf = (id: string): fc.Arbitrary<TeamRoute> =>
  fc.record({
    id: fc.constant(id),
    ready: fc.boolean(),
    forms: fc.constantFrom(null, ["census"]),
    filter: fc.constantFrom(null, null, "answers.age >= 18", "answers.age >", 'event.source == "core"'),
    mode: fc.constantFrom("async", "both", "sync"),
    onFailure: fc.constantFrom("open", "closed"),
    quota: fc.constant(null),
  });
const headers = fc.record(
  {
    ce_id: fc.constantFrom("1", ""),
    ce_source: fc.constant("c"),
    ce_type: fc.constantFrom("onResponse", "onFormCreation", "1"),
    ce_teamid: fc.constantFrom("red", "blue", "R D"),
    ce_formid: fc.constantFrom("census", "intake"),
    ce_priority: fc.constantFrom("urgent", "bulk", "normal"),
  },
  { requiredKeys: [] },
);
const flat = fc.record(
  {
    id: fc.constantFrom("1", 2),
    team_id: fc.constantFrom("red", "blue"),
    event: fc.constantFrom("onResponse", "onFormCreation"),
    form_id: fc.constantFrom("census", "intake", null),
    priority: fc.constantFrom("urgent", "bulk", null, 1),
    data: fc.record({ answers: fc.record({ age: fc.oneof(fc.nat(40), fc.constant("ten")) }, { requiredKeys: [] }) }),
  },
  { requiredKeys: ["data"] },
);
const record = fc.oneof(
  fc.record({ headers: fc.constant({}), value: fc.oneof(flat, fc.constantFrom("{", "[]", "", null)) }),
  fc.record({ headers, value: fc.oneof(flat, fc.constantFrom("{", '"text"')) }),
);

/** What the router's own functions make of a record for one plugin of team red; of a copy, its topic. */
function byTheRouter(
  sample: { headers: Record<string, string>; value: unknown },
  route: TeamRoute | null,
  entry: PluginEntry | null,
): string {
  const text = typeof sample.value === "string" ? sample.value : JSON.stringify(sample.value);
  const decoded = decodeRecord(
    RecordContent.of({
      key: null,
      value: sample.value === null ? null : Buffer.from(text),
      headers: Object.entries(sample.headers).map(([name, value]) => [Buffer.from(name), Buffer.from(value)]),
    }),
    "core",
  );
  if (decoded.kind === "malformed") return decoded.reason;
  if (decoded.attributes.teamId !== "red") return "other-team";
  const resolved = {
    team: { v: 1, plugins: route === null ? [] : [route] },
    plugins: new Map(entry === null ? [] : [["plain", entry] as const]),
  };
  const routing = routeEvent(decoded.attributes, decoded.data, resolved);
  if (routing.kind === "nobody") return routing.reason;
  const [outcome] = routing.outcomes;
  if (outcome?.kind === "copy") return pluginTopics("plain")[outcome.lane];
  return outcome?.kind === "unmatched" ? outcome.reason : "filter-error";
}

describe("what try says", () => {
  test("is what the router's own functions do, for any table and any record", async () => {
    await fc.assert(
      fc.asyncProperty(
        record,
        fc.option(routeOf("plain")),
        fc.option(pluginEntry, { freq: 9 }),
        async (sample, route, entry) => {
          const trial = new RouteTrial({
            routing: {
              routes: async () => ({
                teams: { red: { v: 1, plugins: route === null ? [] : [route] } },
                plugins: { plain: entry },
              }),
            },
            table: { versions: async () => ({ epoch: "e", versions: [1, entry?.v ?? null] }) },
            topics: { namesOf: (plugin) => pluginTopics(plugin) },
            checkFilter: (expression) => {
              const compiled = compileFilter(expression);
              return compiled.ok ? null : compiled.problem;
            },
            deadLetters: "responses.dlq",
            flatSource: "core",
          });
          const pair = { plugin: { id: "plain", status: entry?.state, acceptsEmpty: true } as PluginRecord, row: null };
          const answer = await trial.run("red", pair, trialRequestSchema.parse({ record: sample }));
          expect(answer.reason ?? answer.destination).toBe(byTheRouter(sample, route, entry));
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe("what try says, and what a router then does", () => {
  let plugboard: PlugboardUnderTest;
  let metrics: () => Promise<string>;
  let copies: TopicReader;
  let letters: TopicReader;
  let outcomes: TopicReader;

  beforeAll(async () => {
    plugboard = await PlugboardUnderTest.open();
    await plugboard.register("plain");
    await plugboard.call("PUT", "/v1/plugins/needy", {
      name: "needy",
      description: "needs settings",
      url: "http://127.0.0.1:1",
      version: "1.0.0",
      events: ["onResponse"],
      settings: { type: "object", required: ["sender"] },
    });
    await plugboard.call("PUT", "/v1/plugins/inline", {
      name: "inline",
      description: "answers inside the submit",
      url: "http://127.0.0.1:1",
      version: "1.0.0",
      events: ["onResponse"],
      settings: { type: "object" },
      sync: { deadlineMs: 100 },
    });
    const filter = 'event.response != "child" && answers.age >= 18';
    await plugboard.enable("plain-team", "plain");
    await plugboard.enable("narrow-team", "plain", { enabled: true, forms: ["census"], filter });
    await plugboard.enable("needy-team", "needy");
    await plugboard.enable("sync-team", "inline", { enabled: true, mode: "sync" });
    await plugboard.enable("off-team", "plain");
    await plugboard.enable("off-team", "plain", { enabled: false });
    const router = await plugboard.startRouter();
    metrics = async () => await (await fetch(`${router.url}/metrics`)).text();
    copies = await plugboard.followPlugin("plain");
    letters = await plugboard.followDeadLetters();
    outcomes = await plugboard.follow(`${plugboard.name}.deliveries`);
  }, 120_000);

  afterAll(() => plugboard?.close(), 60_000);

  const flatEvent = (team: string, id: string, more: object = {}) => ({
    id,
    team_id: team,
    event: "onResponse",
    form_id: "census",
    response_id: "r-1",
    data: { answers: { age: 31 } },
    ...more,
  });

  /** The router's counter of events that went nowhere, by reason. */
  async function counted(name: string, reason: string): Promise<number> {
    const line = (await metrics())
      .split("\n")
      .find((text) => text.startsWith(name) && text.includes(`reason="${reason}"`));
    return Number(line?.split(" ").at(-1) ?? 0);
  }

  test.each<[string, string, string, object]>([
    ["routed", "plain-team", "plain", flatEvent("plain-team", "t-1")],
    ["routed", "narrow-team", "plain", flatEvent("narrow-team", "t-2")],
    ["form", "narrow-team", "plain", flatEvent("narrow-team", "t-3", { form_id: "intake" })],
    ["filter", "narrow-team", "plain", flatEvent("narrow-team", "t-4", { response_id: "child" })],
    ["filter-error", "narrow-team", "plain", flatEvent("narrow-team", "t-5", { data: { answers: {} } })],
    ["not-subscribed", "plain-team", "plain", flatEvent("plain-team", "t-6", { event: "onFormCreation" })],
    ["not-configured", "needy-team", "needy", flatEvent("needy-team", "t-7")],
    ["sync-only", "sync-team", "inline", flatEvent("sync-team", "t-8")],
    ["disabled", "off-team", "plain", flatEvent("off-team", "t-9")],
    ["no-team", "plain-team", "plain", flatEvent("plain-team", "t-10", { team_id: undefined })],
    ["invalid", "plain-team", "plain", flatEvent("plain-team", "t-11", { revision: "new" })],
  ])("%s, for team %s and plugin %s", async (expected, team, plugin, event) => {
    const answer = (await plugboard.call("POST", `/v1/teams/${team}/plugins/${plugin}/try`, {
      event,
    })) as TrialResponse;
    expect(answer.reason ?? "routed").toBe(expected);
    const counter = answer.outcome === "malformed" ? "router_malformed_total" : "router_unmatched_total";
    const before = await counted(counter, expected);
    await plugboard.producer.send(plugboard.responses, [{ key: "r-1", value: JSON.stringify(event), headers: {} }]);
    await plugboard.drained();
    const { id } = event as { id: string };
    const identity = deliveryId(team, plugin, "core", id);
    if (answer.routed) {
      await copies.has([identity]);
      const copy = copies.records.find((kept) => headerOf(kept, DELIVERY_HEADER.id) === identity);
      expect(headerOf(copy, DELIVERY_HEADER.routeVersion)).toBe(`${answer.table.team}.${answer.table.plugin}`);
      expect(answer.destination).toBe(`${plugboard.name}.plugin.${plugin}`);
      return;
    }
    expect(await counted(counter, expected)).toBe(before + 1);
    expect(copies.deliveries.has(identity)).toBe(false);
    if (answer.outcome === "malformed") {
      await letters.until(`the dead letter of ${id}`, () =>
        letters.records.some(({ value }) => value?.includes(`"${id}"`)),
      );
      const letter = letters.records.find(({ value }) => value?.includes(`"${id}"`));
      expect(headerOf(letter, DEAD_LETTER_HEADER.reason)).toBe(expected);
      expect(headerOf(letter, DEAD_LETTER_HEADER.detail)).toBe(answer.problems.join("\n"));
      expect(answer.destination).toBe(`${plugboard.responses}.dlq`);
    }
    if (expected === "filter-error") {
      await outcomes.until("the exception", () => outcomes.records.some(({ value }) => value?.includes(identity)));
      const told = outcomes.records.find(({ value }) => value?.includes(identity))?.value?.toString() ?? "{}";
      expect(JSON.parse(told)).toMatchObject({ outcome: "filter-error", reason: answer.filter?.problem?.message });
    }
  });
});
