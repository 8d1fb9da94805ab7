import { expect, test } from "@jest/globals";
import { decodeEvent } from "@plugboard/contract";
import { ENVELOPES, teamId, Workload, type WorkloadSpec } from "../src/workload.ts";

const spec: WorkloadSpec = {
  seed: 7,
  records: 10_000,
  teams: 1_000,
  active: 1_000,
  plugins: 20,
  fanout: 2,
  size: 490,
  envelope: "flat",
  key: "response",
};

test("the same seed gives the same records and routes, another seed gives others", () => {
  const [one, same, other] = [new Workload(spec), new Workload(spec), new Workload({ ...spec, seed: 8 })];
  for (const serial of [0, 1, 4_097, 9_999]) {
    expect(same.record(serial)).toEqual(one.record(serial));
    expect(same.pluginsOf(same.teamOf(serial))).toEqual(one.pluginsOf(one.teamOf(serial)));
  }
  expect(other.value(1).equals(one.value(1))).toBe(false);
});

test.each(ENVELOPES)("%s records are events as the router reads them, of exactly the size asked for", (envelope) => {
  for (const size of [250, 490, 2_048, 27_648, 921_600]) {
    const workload = new Workload({ ...spec, records: 100, envelope, size });
    for (const serial of [0, 99]) {
      const { value, headers } = workload.record(serial);
      expect(value.length).toBe(size);
      const texts = new Map([...headers].map(([name, text]) => [name.toString(), text.toString()]));
      const event = decodeEvent((name) => texts.get(name), value, "bench");
      if (event.kind !== "event") throw new Error(event.problems.join());
      expect(event.envelope).toBe(envelope);
      expect(event.attributes).toMatchObject({ teamId: teamId(workload.teamOf(serial)), type: "onResponse" });
      expect(Object.keys(event.data()).length).toBeGreaterThan(0);
      expect(workload.serialOf(value)).toBe(serial);
      expect(workload.isValue(serial, value)).toBe(true);
    }
  }
});

test("a size below what the envelope needs is refused", () => {
  expect(() => new Workload({ ...spec, size: 100 })).toThrow("bytes more");
  expect(new Workload({ ...spec, size: 200 }).value(3).length).toBe(200);
});

test.each([
  [0, 20],
  [1, 20],
  [2, 20],
  [10, 20],
  [50, 100],
  [100, 100],
])("a mean fan-out of %d over %d plugins is met, without a plugin twice, all plugins alike", (fanout, plugins) => {
  const workload = new Workload({ ...spec, teams: 10_605, active: 1_000, fanout, plugins });
  const perPlugin = new Array<number>(plugins).fill(0);
  let copies = 0;
  for (let team = 0; team < workload.spec.teams; team++) {
    const routes = workload.pluginsOf(team);
    expect(new Set(routes).size).toBe(routes.length);
    copies += routes.length;
    for (const plugin of routes) perPlugin[plugin] = (perPlugin[plugin] ?? 0) + 1;
  }
  expect(copies / workload.spec.teams).toBeCloseTo(fanout, 1);
  const mean = copies / plugins;
  for (const count of perPlugin) expect(Math.abs(count - mean)).toBeLessThanOrEqual(mean * 0.25);
});

test("a response belongs to one team and has four revisions, apart from each other", () => {
  const workload = new Workload(spec);
  const serials = [5, 5 + 1_024, 5 + 2_048, 5 + 3_072];
  expect(new Set(serials.map((serial) => workload.keyText(serial))).size).toBe(1);
  expect(new Set(serials.map((serial) => workload.teamOf(serial))).size).toBe(1);
  expect(serials.map((serial) => JSON.parse(workload.value(serial).toString()).revision)).toEqual([1, 2, 3, 4]);
  expect(workload.keyText(5 + 4_096)).not.toBe(workload.keyText(5));
});

test("only active teams have events", () => {
  const workload = new Workload({ ...spec, active: 10 });
  const teams = new Set(Array.from({ length: 10_000 }, (_, serial) => workload.teamOf(serial)));
  expect(Math.max(...teams)).toBe(9);
});
