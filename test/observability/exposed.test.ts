import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { waitUntil } from "@plugboard/stack";
import { PlugboardUnderTest, type Service } from "../plugboard-under-test.ts";
import { alertRules, dashboardQueries } from "./operator-queries.ts";
import { promqlNames } from "./promql-names.ts";

const SECRET_ANSWER = "a-text-that-only-the-respondent-and-the-team-may-read";
const RULE = {
  id: "savings",
  check: "answers.savings <= answers.income",
  message: "Please ask again.",
  fields: ["savings"],
};
const SETTINGS = { rules: [RULE] };
let plugboard: PlugboardUnderTest;
let services: Service[];

beforeAll(async () => {
  plugboard = await PlugboardUnderTest.open();
  const debug = { LOG_LEVEL: "debug" };
  const [router, plugin, core] = await Promise.all([
    plugboard.startRouter(debug),
    plugboard.startPlugin("validator", debug),
    plugboard.startCore(),
  ]);
  services = [plugboard.manager, router, plugin, core];
  await plugboard.enable("team-1", "validator");
  await plugboard.configure("team-1", "validator", SETTINGS);
  const events = Array.from({ length: 20 }, (_, n) => ({
    team: n < 15 ? "team-1" : "team-of-nobody",
    id: `seen-${n}`,
    response: `r-${n}`,
    data: { answers: { secret: SECRET_ANSWER, savings: 1, income: 2 } },
  }));
  await plugboard.emit(events);
  await plugboard.drained();
  // One that is held: of topics that take their copies nothing is told.
  const headers = { "pb-parked-target": `${plugboard.name}.plugin.away` };
  await plugboard.producer.send(`${plugboard.name}.parked`, [{ key: "r", value: "{}", headers }]);
}, 180_000);
afterAll(async () => {
  await plugboard?.close();
});

async function scrape(): Promise<Map<string, Set<string>>> {
  const labelsByName = new Map<string, Set<string>>();
  for (const { url } of services) {
    const text = await (await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(10_000) })).text();
    for (const line of text.split("\n")) {
      const sample = /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? \S+$/.exec(line);
      if (sample === null) continue;
      const labels = labelsByName.get(sample[1] ?? "") ?? new Set();
      for (const [, label] of (sample[2] ?? "").matchAll(/([a-z_]+)="/g)) labels.add(label ?? "");
      labelsByName.set(sample[1] ?? "", labels);
    }
  }
  return labelsByName;
}

test("whatever an alert or a panel selects, running processes expose, with the labels it names", async () => {
  const used = [...alertRules(), ...dashboardQueries()].flatMap(({ expr }) => promqlNames(expr).selectors);
  const missing = (exposed: Map<string, Set<string>>) =>
    used
      .filter(({ metric }) => metric !== "up")
      .flatMap(({ metric, labels }) => {
        const known = exposed.get(metric);
        if (known === undefined) return [metric];
        return labels.filter((label) => !known.has(label) && label !== "job").map((label) => `${metric}{${label}}`);
      });
  let last: string[] = [];
  await waitUntil("everything is exposed", 30_000, async () => {
    last = missing(await scrape());
    return last.length === 0 || undefined;
  }).catch(() => {});
  expect([...new Set(last)]).toEqual([]);
});

test("no label's value names a team, a response or an event", async () => {
  for (const { url } of services) {
    const text = await (await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(10_000) })).text();
    expect(text).not.toMatch(/team-1|team-of-nobody|seen-\d|"r-\d/);
  }
});

test("at debug there is one wide line for each event, delivery and request, under the same names", async () => {
  const lines = () =>
    services.flatMap((service) =>
      service
        .logs()
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    );
  const of = (msg: string, eventId: string) => lines().filter((line) => line.msg === msg && line.eventId === eventId);
  await waitUntil("the last delivery is told", 30_000, async () => of("outcome", "seen-14").length > 0 || undefined);
  expect(of("event routed", "seen-3")).toEqual([
    expect.objectContaining({
      team: "team-1",
      event: "onResponse",
      response: "r-3",
      decisions: { validator: "copy" },
      origin: expect.stringMatching(/\/\d+\/\d+$/),
      durationMs: expect.any(Number),
    }),
  ]);
  expect(of("event routed", "seen-17")).toEqual([expect.objectContaining({ decisions: {}, nobody: "unknown-team" })]);
  expect(of("outcome", "seen-3")[0]).toMatchObject({
    team: "team-1",
    plugin: "validator",
    deliveryId: expect.any(String),
  });
});

test("no answer, token or key stands in any log, at debug either", () => {
  const logs = services.map((service) => service.logs()).join("\n");
  expect(logs).toContain("event routed");
  expect(logs).not.toContain(SECRET_ANSWER);
  expect(logs).not.toMatch(/eyJ[\w-]+\.[\w-]+\.[\w-]+|admin-token-of|signing-key-of|"d":"[\w-]{40,}"/);
});
