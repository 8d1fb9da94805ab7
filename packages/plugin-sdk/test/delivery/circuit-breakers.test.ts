import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { createLogger, systemClock } from "@plugboard/runtime";
import { createTestDatabase, waitUntil } from "@plugboard/stack";
import { CircuitBreakers } from "../../src/delivery/circuit-breakers.ts";
import { receive } from "../../src/delivery/received.ts";
import { BreakerStore, WHOLE_PLUGIN } from "../../src/store/breaker-store.ts";
import { openDatabase, type PluginDatabase } from "../../src/store/connect-database.ts";
import { migrate } from "../../src/store/migrate.ts";
import { RetryStore } from "../../src/store/retry-store.ts";

const WAIT_MS = 30_000;
/** No test waits for it to end; short ones are given where one does. */
const LONG_MS = 3_600_000;
const LEASE_MS = 3_600_000;
let database: PluginDatabase;
let drop: () => Promise<void>;
let retries: RetryStore;

beforeAll(async () => {
  const created = await createTestDatabase();
  drop = created.drop;
  database = openDatabase(created.url, "broken", createLogger("test", "silent"));
  await database.connect();
  await migrate(database.sdk, database.schema, []);
  retries = new RetryStore(database.sdk);
});
afterAll(async () => {
  await database.close();
  await drop();
});
beforeEach(async () => {
  await database.sdk.query("TRUNCATE retries, deliveries, sdk_breakers, sdk_retry_lines");
});

/** One instance's; nothing refreshes by itself. */
const instance = (openMs = LONG_MS, openMsMax = LONG_MS) =>
  new CircuitBreakers({
    store: new BreakerStore(database.sdk),
    limits: { teamFailures: 3, pluginFailures: 4, openMs, openMsMax },
    leaseMs: LEASE_MS,
    clock: systemClock,
    logger: createLogger("test", "silent"),
  });
const fails = async (breakers: CircuitBreakers, team: string, times: number) => {
  for (let time = 0; time < times; time += 1) await breakers.failed(team, `delivery-${time}`, "answers 500");
};
const admitted = async (breakers: CircuitBreakers, team: string) => (await breakers.admit(team)).kind;
const store = async (team: string, id: string) => {
  const headers = Object.entries({ ce_id: id, ce_source: "core", ce_type: "onResponse", ce_teamid: team });
  const copies = headers.map(([name, value]) => [name, Buffer.from(value)] as const);
  const item = receive({ key: null, value: null, headers: copies, readFrom: "t/0/1" }, "broken", "core");
  if (item.kind === "malformed") throw new Error(item.problems.join());
  await retries.putOff(item, { waitingFor: "retry", dueInMs: 0, history: [], token: null });
};
const takenOf = async (team: string) =>
  (await retries.take(100, LEASE_MS, "one", [])).filter((entry) => entry.team === team).length;

describe("a team's breaker", () => {
  test("opens after different deliveries failed in a row, for that team, and for all instances", async () => {
    const [here, there] = [instance(), instance()];
    await fails(here, "a", 2);
    await here.succeeded("a");
    await fails(here, "a", 2);
    expect(await admitted(here, "a")).toBe("go");
    await here.failed("a", "delivery-3", "answers 500");
    await there.refresh();
    for (const breakers of [here, there]) {
      expect([await admitted(breakers, "a"), await admitted(breakers, "b")]).toEqual(["parked", "go"]);
      expect([breakers.parks("a"), breakers.parks("b"), breakers.parks(WHOLE_PLUGIN)]).toEqual([true, false, false]);
      expect(breakers.status()).toEqual([expect.objectContaining({ team: "a", opens: 1, reason: "answers 500" })]);
    }
  });

  test("does not open for one delivery that fails again and again", async () => {
    const breakers = instance();
    for (let time = 0; time < 20; time += 1) await breakers.failed("a", "the same", "answers 500");
    expect(await admitted(breakers, "a")).toBe("go");
  });

  test("lets one probe of all instances begin when its time is over, and closes for all when that succeeds", async () => {
    const [here, there] = [instance(1, 1), instance(1, 1)];
    await fails(here, "a", 3);
    await there.refresh();
    const one = await waitUntil("a probe is admitted", WAIT_MS, async () => {
      const admissions = await Promise.all([here, there, here, there].map((breakers) => breakers.admit("a")));
      const probes = admissions.filter((admission) => admission.kind === "go" && admission.probe);
      return probes.length === 0 ? undefined : probes;
    });
    expect(one).toHaveLength(1);
    await there.succeeded("a");
    await here.refresh();
    expect([await here.admit("a"), await there.admit("a")]).toEqual([
      { kind: "go", probe: false },
      { kind: "go", probe: false },
    ]);
    // What failed before it closed counts no longer.
    await fails(here, "a", 2);
    expect(await admitted(here, "a")).toBe("go");
  });

  test("opens again, for twice as long, when the probe fails; and lets another begin when it came to nothing", async () => {
    const breakers = instance(1, LONG_MS);
    const probe = () =>
      waitUntil("a probe is admitted", WAIT_MS, async () => {
        const admission = await breakers.admit("a");
        return admission.kind === "go" ? true : undefined;
      });
    await fails(breakers, "a", 3);
    await probe();
    await breakers.giveBack("a");
    await breakers.refresh();
    for (const opens of [2, 3]) {
      await probe();
      await breakers.failed("a", "the probe", "answers 500");
      expect(breakers.status()).toEqual([expect.objectContaining({ team: "a", opens })]);
    }
  });

  test("parks the team's line of due deliveries alone, gives the probe of it, and the rest when it closes", async () => {
    const breakers = instance(1, 1);
    for (let index = 0; index < 10; index += 1) await store("a", `before-${index}`);
    const open = new BreakerStore(database.sdk);
    await open.open("a", [LONG_MS], "answers 500");
    for (let index = 0; index < 3; index += 1) await store("b", `other-${index}`);
    await store("a", "after");
    expect([await takenOf("b"), await takenOf("a")]).toEqual([3, 0]);
    await database.sdk.query("UPDATE sdk_breakers SET open_until = now()");
    await database.sdk.query("UPDATE sdk_retry_lines SET parked_until = now() WHERE team = 'a'");
    expect([await takenOf("a"), await takenOf("a")]).toEqual([1, 0]);
    await breakers.refresh();
    expect(await admitted(breakers, "a")).toBe("go");
    await breakers.succeeded("a");
    expect(await takenOf("a")).toBe(10);
  });

  test("parks a line that comes to be while it is open, and no line by an oversight", async () => {
    const open = new BreakerStore(database.sdk);
    await open.open("a", [LONG_MS], "answers 500");
    for (let index = 0; index < 5; index += 1) await store("a", `late-${index}`);
    expect(await takenOf("a")).toBe(0);
    // As if the line had come to be at the moment at which the breaker closed.
    await database.sdk.query("DELETE FROM sdk_breakers");
    await database.sdk.query("UPDATE sdk_retry_lines SET parked_until = now()");
    expect(await takenOf("a")).toBe(5);
  });
});

describe("the plugin's own breaker", () => {
  test("opens when different teams fail in a row and none succeeds, and holds all until a probe succeeds", async () => {
    const breakers = instance(1, 1);
    for (const team of ["a", "b", "c"]) await breakers.failed(team, "one", "no route to the vendor");
    await breakers.succeeded("d");
    for (const team of ["a", "b", "c"]) await breakers.failed(team, "two", "no route to the vendor");
    expect(breakers.status()).toEqual([]);
    await breakers.failed("d", "two", "no route to the vendor");
    expect(breakers.status()).toEqual([expect.objectContaining({ team: WHOLE_PLUGIN })]);
    // Its time is over at once: the first that asks is the probe, and nobody goes behind it.
    await waitUntil("a probe is admitted", WAIT_MS, async () =>
      (await admitted(breakers, WHOLE_PLUGIN)) === "go" ? true : undefined,
    );
    expect(await admitted(breakers, WHOLE_PLUGIN)).toBe("parked");
    await breakers.succeeded("c");
    expect([breakers.status(), await admitted(breakers, WHOLE_PLUGIN)]).toEqual([[], "go"]);
  });
});
