import { afterEach, describe, expect, test } from "@jest/globals";
import { createLogger, createRegistry } from "@plugboard/runtime";
import { type ServiceProcess, startProcess, uniqueName, waitUntil } from "@plugboard/stack";
import { createPool } from "../../src/adapters/database.ts";
import { PgOutbox } from "../../src/adapters/pg-outbox.ts";
import type { CoreSettings } from "../../src/compose.ts";
import type { EventRecord } from "../../src/domain/outbox-event.ts";
import { createMetrics } from "../../src/metrics.ts";
import { OutboxRelay } from "../../src/pipeline/outbox-relay.ts";
import {
  call,
  coreEnvironment,
  type ReadRecord,
  readTopic,
  startCore,
  surveyForm,
} from "../support/core-under-test.ts";

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function ownCore() {
  const own = await coreEnvironment();
  cleanUps.push(own.cleanUp);
  return own;
}

const income = (n: number) => ({ answers: { savings: n, income: n }, collector: `c${n}` });

/** Revisions per response in the order they were read; repeated copies of one event are left out. */
function revisions(records: readonly ReadRecord[]): Map<string, number[]> {
  const seen = new Set<string>();
  const found = new Map<string, number[]>();
  for (const { key, header } of records) {
    const id = header("ce_id");
    if (key === null || id === undefined || header("ce_subject") === undefined || seen.has(id)) continue;
    seen.add(id);
    found.set(key, [...(found.get(key) ?? []), Number(header("ce_revision"))]);
  }
  return found;
}

describe("what is stored", () => {
  test("is emitted in order per response, with its key and headers, by two instances side by side", async () => {
    const { settings } = await ownCore();
    const cores = [await startCore(settings), await startCore(settings)];
    cleanUps.push(() => Promise.all(cores.map((core) => core.stop())));
    const url = (n: number) => cores[n % 2]?.url ?? "";
    await call("PUT", `${url(0)}/forms/survey`, surveyForm);
    const live = async (n: number) => {
      const { id } = (await call("POST", `${url(n)}/forms/survey/submit`, income(n))).body;
      for (let step = 1; step < 5; step += 1) await call("PUT", `${url(n + step)}/responses/${id}`, income(step));
      if (n % 5 === 0) await call("DELETE", `${url(n)}/responses/${id}`);
      return id as string;
    };
    const ids = await Promise.all(Array.from({ length: 30 }, (_, n) => live(n)));
    const topic = await readTopic(settings, settings.RESPONSES_TOPIC);
    cleanUps.push(topic.stop);
    await topic.waitFor(1 + 30 * 5 + 6);
    const found = revisions(topic.records);
    for (const [n, id] of ids.entries())
      expect(found.get(id)).toEqual(n % 5 === 0 ? [1, 2, 3, 4, 5, 6] : [1, 2, 3, 4, 5]);
    expect(new Set(topic.records.map(({ key, partition }) => `${key}/${partition}`)).size).toBe(31);
    const last = topic.records.find(({ header }) => header("ce_type") === "onResponseDelete");
    expect(last?.value.answers).toEqual({});
    const form = topic.records.find(({ header }) => header("ce_type") === "onFormCreation");
    expect(form).toMatchObject({ key: "survey", value: { form: { id: "survey", questions: surveyForm.questions } } });
  });

  test("is emitted after a restart when the process is killed in the middle", async () => {
    const { environment, settings } = await ownCore();
    const start = async () => {
      // A group of its own: the killed member's session would hold up the next one's join, and with it its drain.
      const env = { ...environment, LOG_LEVEL: "info", COMMANDS_GROUP_ID: uniqueName("group") };
      const core = await startProcess({ entry: "examples/collect-core/src/main.ts", env, name: "core" });
      cleanUps.push(() => core.kill("SIGKILL"));
      await core.waitForLog(/"listening"/, 30_000);
      return { core, url: `http://127.0.0.1:${/"port":(\d+),"msg":"listening"/.exec(core.logs())?.[1]}` };
    };
    const first = await start();
    await call("PUT", `${first.url}/forms/survey`, surveyForm);
    const stored = await submitUntilKilled(first.core, first.url);
    const second = await start();
    const all = new Set(stored);
    for (let after = ""; ; ) {
      const { body } = await call("GET", `${second.url}/forms/survey/responses?limit=500${after}`);
      for (const { id } of body.items) all.add(id);
      if (body.next === null) break;
      after = `&after=${body.next}`;
    }
    expect(all.size).toBeGreaterThanOrEqual(stored.length);
    const topic = await readTopic(settings, settings.RESPONSES_TOPIC);
    cleanUps.push(topic.stop);
    await waitUntil("every stored response was emitted", 30_000, () =>
      [...all].every((id) => topic.records.some(({ key }) => key === id)) ? true : undefined,
    );
    expect([...revisions(topic.records).keys()].every((id) => all.has(id))).toBe(true);
    await second.core.kill("SIGTERM");
    expect(await second.core.exited).toBe(0);
  });
});

/** Submits side by side, kills the process when 60 are answered; gives the ids that were answered. */
async function submitUntilKilled(core: ServiceProcess, url: string): Promise<string[]> {
  const answered: string[] = [];
  const one = async (n: number) => {
    try {
      const { status, body } = await call("POST", `${url}/forms/survey/submit`, income(n));
      if (status === 201) answered.push(body.id);
    } catch {
      // The process is gone: this one was not answered.
    }
    if (answered.length === 60) await core.kill("SIGKILL");
  };
  for (let n = 0; n < 200; n += 20) await Promise.all(Array.from({ length: 20 }, (_, step) => one(n + step)));
  return answered;
}

describe("a relay whose Kafka fails", () => {
  async function stored(settings: CoreSettings, count: number): Promise<void> {
    const core = await startCore({ ...settings, RESPONSES_TOPIC: uniqueName("unused") });
    await call("PUT", `${core.url}/forms/survey`, surveyForm);
    await core.stop();
    const pool = createPool(settings.DATABASE_URL);
    await pool.query(
      `INSERT INTO outbox (lane, type, team, form_id, at, data, bytes)
       SELECT n % 8, 'onFormCreation', 'team-1', 'form-' || n, now(), '{}', 2 FROM generate_series(1, $1) AS n`,
      [count],
    );
    await pool.end();
  }

  function relayInto(settings: CoreSettings, send: (records: readonly EventRecord[]) => Promise<void>) {
    const pool = createPool(settings.DATABASE_URL);
    const outbox = new PgOutbox(pool);
    const metrics = createMetrics(createRegistry({ defaultMetrics: false }), outbox);
    const logger = createLogger("test", "silent");
    const sink = { send: (_topic: string, records: readonly EventRecord[]) => send(records) };
    return { pool, outbox, relay: new OutboxRelay({ outbox, sink, topic: "t", metrics, logger }) };
  }

  test("keeps everything, tells it, and goes on when Kafka is back", async () => {
    const { settings } = await ownCore();
    await stored(settings, 1_300);
    let away = true;
    const sent: string[] = [];
    const { pool, outbox, relay } = relayInto(settings, async (records) => {
      if (away) throw new Error("no leader");
      sent.push(...records.map(({ key }) => key));
    });
    await relay.start();
    await waitUntil("the relay tells its problem", 10_000, () => relay.health.problem() ?? undefined);
    expect(relay.health.problem()).toBe("no leader");
    expect(await outbox.pending()).toMatchObject({ events: 1_300 });
    away = false;
    await waitUntil("everything was emitted", 20_000, async () =>
      (await outbox.pending()).events === 0 ? true : undefined,
    );
    await relay.stop();
    await pool.end();
    expect(relay.health.problem()).toBeNull();
    expect(new Set(sent).size).toBe(1_300);
    expect(sent).toHaveLength(1_300);
  });

  test("empties the outbox while it drains", async () => {
    const { settings } = await ownCore();
    await stored(settings, 100);
    let sent = 0;
    const { pool, outbox, relay } = relayInto(settings, async (records) => {
      sent += records.length;
    });
    await relay.stop();
    expect(await outbox.pending()).toMatchObject({ events: 0 });
    await pool.end();
    expect(sent).toBe(100);
  });
});
