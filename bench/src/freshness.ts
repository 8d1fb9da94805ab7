import { setTimeout as sleep } from "node:timers/promises";
import type { RedisServer } from "@plugboard/stack";
import { Redis } from "ioredis";
import { type ControlPlane, sql } from "./control-plane.ts";
import { ALWAYS, CHANGED, FreshnessStage, PROBE_TEAM, type ProbeCopy } from "./freshness-stage.ts";
import { type CommonOptions, rateOf, repeatsOf, resultName, workloadSpec } from "./options.ts";
import { jobFor, type PeerJob } from "./peers.ts";
import { type Report, shown } from "./progress.ts";
import type { Change, Result, TableCheck } from "./result.ts";
import { provenance } from "./result-files.ts";
import { withSession } from "./throughput.ts";
import { Workload } from "./workload.ts";

/** Changes while all is well: enough for a 99th percentile, times `--repeats`. */
const HEALTHY_CHANGES = 40;
/** Faults of each kind, times `--repeats`. */
const FAULTS = 3;
/** How long no copy by the old rule may come for the change to be in force everywhere. */
const QUIET_MS = 1_500;
const IN_FORCE_MS = 60_000;
/** How long Redis stays away: above the bound for stale tables (5 s). */
const AWAY_MS = 12_000;

interface Stage {
  readonly stage: FreshnessStage;
  readonly plane: ControlPlane;
  readonly redis: RedisServer;
}

/** One change: made, answered, and from when its freshness counts. */
interface Made {
  readonly kind: string;
  readonly answeredWith: string;
  readonly fromMs: number;
  readonly isNew: (copy: ProbeCopy) => boolean;
  /** Only of these plugins' copies can the rule be told. */
  readonly plugin: string;
}

const SCENARIOS: readonly {
  readonly name: string;
  readonly times: number;
  readonly run: (stage: Stage, index: number) => Promise<Made & { readonly heal?: () => Promise<void> }>;
}[] = [
  { name: "healthy", times: HEALTHY_CHANGES, run: change },
  { name: "a plugin's change, all teams", times: FAULTS, run: changePlugin },
  { name: "Redis dead", times: FAULTS, run: redisDead },
  { name: "Redis cut off", times: FAULTS, run: redisCutOff },
  { name: "fail-over that lost the last writes", times: FAULTS, run: lostWrites },
  { name: "manager killed between answer and relay", times: FAULTS, run: managerKilled },
];

/** `freshness`: from the answer to a change until routers follow it, with and without faults, under load. */
export async function measureFreshness(options: CommonOptions): Promise<Result> {
  const spec = workloadSpec(options, { records: 1 });
  return await withSession(options, async (session) => {
    const prepared = await shown("Routes", (report) => session.prepare(new Workload(spec), false, report));
    const plane = await shown("Plugins registered and teams enabled through the manager", prepared.controlPlane);
    await plane.enable(PROBE_TEAM, ALWAYS, { enabled: true });
    const group = session.name("freshness");
    const job: PeerJob = { ...jobFor(session, prepared, group, "latency"), input: `${group}.input` };
    const load = { routers: options.routers, ratePerSecond: rateOf(options) };
    const stage = await shown(`${options.routers} routers under ${rateOf(options)} records/s`, () =>
      FreshnessStage.open(session, plane, job, load),
    );
    try {
      const found = await runAll({ stage, plane, redis: await session.redis() }, repeatsOf(options));
      return { kind: "freshness", ...provenance(resultName("freshness", options), options.disk), ...found };
    } finally {
      await stage.close();
    }
  });
}

async function runAll(on: Stage, repeats: number): Promise<{ changes: Change[]; tables: TableCheck[] }> {
  const changes: Change[] = [];
  const tables: TableCheck[] = [];
  for (const { name, times, run } of SCENARIOS) {
    await shown(`Freshness: ${name}`, async (report: Report) => {
      for (let index = 0; index < times * repeats; index++) {
        report(`${index} of ${times * repeats}`);
        on.stage.probes.length = 0;
        const made = await run(on, index);
        changes.push({ scenario: name, ...(await inForce(on.stage, made)) });
        await made.heal?.();
        on.stage.assertWell();
      }
      tables.push(await on.stage.checkTables(name.replaceAll(/[^a-z]+/gi, "-")));
    });
  }
  return { changes, tables };
}

/** Waits until copies follow the new rule and none has followed the old one for a while. */
async function inForce(stage: FreshnessStage, made: Made): Promise<Omit<Change, "scenario">> {
  const deadline = Date.now() + IN_FORCE_MS;
  for (;;) {
    const told = stage.probes.filter(({ plugin }) => plugin === made.plugin);
    const after = (copies: ProbeCopy[], pick: (...times: number[]) => number) =>
      copies.reduce((found, { appendedAtMs }) => pick(found, appendedAtMs), made.fromMs) - made.fromMs;
    const fresh = told.filter(made.isNew);
    const lastOldMs = after(
      told.filter((copy) => !made.isNew(copy)),
      Math.max,
    );
    const first = Math.min(...fresh.map(({ appendedAtMs }) => appendedAtMs));
    if (fresh.length > 0 && Date.now() - Math.max(made.fromMs + lastOldMs, first) > QUIET_MS)
      return {
        change: made.kind,
        answeredWith: made.answeredWith,
        firstNewMs: Math.max(0, first - made.fromMs),
        lastOldMs,
      };
    stage.assertWell();
    if (Date.now() > deadline) throw new Error(`a change (${made.kind}) was not in force within ${IN_FORCE_MS} ms`);
    await sleep(50);
  }
}

/** Enables, filters or disables in turn: each differs from the one before. */
async function change({ plane }: Stage, index: number): Promise<Made> {
  const [kind, body] = [
    ["enable", { enabled: true, filter: null }],
    ["filter", { enabled: true, filter: "answers.age >= 41" }],
    ["disable", { enabled: false }],
  ][index % 3] as [string, object];
  const before = await versionOf(plane, `team:${PROBE_TEAM}`);
  const status = await plane.enable(PROBE_TEAM, CHANGED, body);
  return {
    kind,
    answeredWith: String(status),
    fromMs: Date.now(),
    plugin: ALWAYS,
    // The version counts all of the team's rules: copies for the plugin that always gets them tell it too.
    isNew: ({ teamVersion }) => teamVersion > before,
  };
}

/** A plugin subscribes to one event more: one write, whatever the number of teams. */
async function changePlugin({ plane }: Stage, index: number): Promise<Made> {
  const before = await versionOf(plane, `plugin:${ALWAYS}`);
  const status = await plane.register(ALWAYS, index % 2 === 0 ? ["onResponse", "onResponseUpdate"] : ["onResponse"]);
  return {
    kind: "events of a plugin",
    answeredWith: String(status),
    fromMs: Date.now(),
    plugin: ALWAYS,
    isNew: ({ pluginVersion }) => pluginVersion > before,
  };
}

async function redisDead(on: Stage, index: number): ReturnType<(typeof SCENARIOS)[number]["run"]> {
  await on.redis.kill();
  return { ...(await change(on, index)), heal: () => on.redis.start() };
}

async function redisCutOff(on: Stage, index: number): ReturnType<(typeof SCENARIOS)[number]["run"]> {
  await on.redis.pause();
  const made = await change(on, index);
  const back = sleep(AWAY_MS).then(() => on.redis.resume());
  return { ...made, heal: () => back };
}

/** Redis falls back behind the change, as a replica does that had not got it yet: counts from that moment. */
async function lostWrites(on: Stage, index: number): Promise<Made> {
  const redis = new Redis(on.redis.url, { lazyConnect: true, maxRetriesPerRequest: 3 });
  await redis.connect();
  try {
    const root = `{${on.plane.name}}`;
    const keys = [`${root}:team:${PROBE_TEAM}`, `${root}:seq`, `${root}:changes`];
    const before = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
    const made = await change(on, index);
    // The reply to RESTORE of all of them at once: no router sees half of it.
    const restore = redis.multi();
    for (const [at, key] of keys.entries()) {
      const dump = before[at];
      if (dump !== null && dump !== undefined) restore.restore(key, 0, dump, "REPLACE");
      else restore.del(key);
    }
    await restore.exec();
    return { ...made, fromMs: Date.now() };
  } finally {
    redis.disconnect();
  }
}

/** The change is stored and answered; Redis never heard of it. Counts from when a manager is ready again. */
async function managerKilled(on: Stage, index: number): Promise<Made> {
  await on.redis.pause();
  const made = await change(on, index);
  await on.plane.endManager("SIGKILL");
  on.redis.resume();
  await on.plane.startManager();
  return { ...made, fromMs: Date.now() };
}

async function versionOf(plane: ControlPlane, key: string): Promise<number> {
  const [row] = await sql<{ v: number }>(plane.databaseUrl, "SELECT v FROM routing_entries WHERE key = $1", [key]);
  return row?.v ?? 0;
}
