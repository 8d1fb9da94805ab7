import { describe, expect, test } from "@jest/globals";
import { createLogger } from "@plugboard/runtime";
import fc from "fast-check";
import type { RouteKey } from "../src/domain/ports.ts";
import { pluginKey, teamKey } from "../src/domain/route-entry.ts";
import { LayeredRoutingTable } from "../src/layered-routing-table.ts";
import type { ResolvedTeam } from "../src/routing-table.ts";
import { commitOf, type Random, SimulatedManager, SimulatedTime, seeded } from "./simulation.ts";

const TEAMS = ["a", "b", "c", "d", "e", "f", "g", "h"];
const PLUGINS = ["p", "q", "r"];
const STALE_AFTER_MS = 1_000;
const RUN_MS = 8_000;
const HEAL_MS = 4_000;
/** How far Redis may be behind the manager: a relay, or a rewound Redis that is not noticed yet. */
const BEHIND_MS = 250;

const quiet = { lookedUp() {}, polled() {}, askedOrigin() {}, reset() {}, malformed() {} };
const logger = createLogger("simulation", "silent");

interface Plan {
  readonly seed: number;
  readonly teamsMax: number;
  readonly faults: boolean;
  /** No answer may be older than this, milliseconds. */
  readonly boundMs: number;
}

/** Runs readers against a changing, failing world, then heals it; answers with everything that was not as promised. */
async function simulate({ seed, teamsMax, faults, boundMs }: Plan): Promise<{ broken: string[]; answers: number }> {
  const random = seeded(seed);
  const time = new SimulatedTime();
  const world = new SimulatedManager(time, random);
  if (faults) world.slowFactor = 8;
  const table = new LayeredRoutingTable({
    cache: world.cache,
    fetchRoutes: world.fetchRoutes,
    clock: time,
    logger,
    observer: quiet,
    teamsMax,
    pollMs: 100,
    staleAfterMs: STALE_AFTER_MS,
    random,
  });
  const broken: string[] = [];
  let answers = 0;
  let waiting = 0;
  const look = async () => {
    const teams = TEAMS.filter(() => random() < 0.3);
    waiting += 1;
    const resolved = await table.resolve(teams);
    waiting -= 1;
    answers += 1;
    for (const team of teams) broken.push(...tooOld(world, team, resolved.get(team), time.now(), boundMs));
  };
  const started = table.start();
  // Changes come in bursts with quiet between them: whatever a burst got wrong then stays wrong, and is seen.
  every(time, random, 700, RUN_MS, () => {
    if (faults && random() < 0.7) time.at(random() * 150, () => fault(world, time, random));
    const changes = random() < 0.2 ? 20 : 1 + Math.floor(random() * 4);
    for (let count = 0; count < changes; count++) time.at(random() * 120, () => change(world, random, faults));
  });
  every(time, random, 20, RUN_MS, () => void look());
  await time.runUntil(RUN_MS);
  Object.assign(world, { linkUp: true, redisUp: true, managerUp: true });
  await time.runUntil(RUN_MS + HEAL_MS);
  await started;
  if (waiting > 0) broken.push(`${waiting} look-ups still wait after everything was healed`);
  // Healed, every answer is the newest.
  const last = table.resolve(TEAMS);
  await time.runUntil(RUN_MS + HEAL_MS + 500);
  for (const [team, resolved] of await last) broken.push(...tooOld(world, team, resolved, time.now(), 500));
  const stopped = table.stop();
  await time.runUntil(RUN_MS + HEAL_MS + 2_000);
  await stopped;
  return { broken, answers };
}

function every(time: SimulatedTime, random: Random, ms: number, until: number, run: () => void): void {
  time.at(random() * 2 * ms, () => {
    if (time.now() > until) return;
    run();
    every(time, random, ms, until, run);
  });
}

function change(world: SimulatedManager, random: Random, faults: boolean): void {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const isTeam = random() < 0.7;
  const key: RouteKey = isTeam ? teamKey(pick(TEAMS)) : pluginKey(pick(PLUGINS));
  const plugins = PLUGINS.filter(() => random() < 0.5);
  const restored = faults && world.redisUp && random() < 0.03;
  world.commit(key, plugins.length === 0 ? ["p"] : plugins, restored ? 3 : 0);
}

function fault(world: SimulatedManager, time: SimulatedTime, random: Random): void {
  const forMs = random() * (random() < 0.5 ? 300 : 2_500);
  const outage = (part: "linkUp" | "redisUp" | "managerUp") => {
    world[part] = false;
    time.at(forMs, () => {
      world[part] = true;
    });
  };
  const faults = [
    () => world.flush(),
    () => world.rewind(1 + Math.floor(random() * 4)),
    () => world.rebuild(),
    () => outage("linkUp"),
    () => outage("managerUp"),
    () => {
      world.flush();
      outage("redisUp");
    },
  ];
  faults[Math.floor(random() * faults.length)]?.();
}

/** What is wrong with one team's answer: an entry older than the bound, or none for a team that has one. */
function tooOld(
  world: SimulatedManager,
  team: string,
  resolved: ResolvedTeam | null | undefined,
  now: number,
  boundMs: number,
): string[] {
  if (resolved === undefined) return [`team ${team} is missing in the answer`];
  const at = `at ${Math.round(now)}`;
  const least = world.commitAt(teamKey(team), now - boundMs);
  if (resolved === null)
    return least > 0 ? [`team ${team} was unknown ${at}, but has had an entry since c${least}`] : [];
  const broken: string[] = [];
  if (commitOf(resolved.team) < least) broken.push(`team ${team} was c${commitOf(resolved.team)} ${at}, not c${least}`);
  for (const { id } of resolved.team.plugins) {
    const plugin = resolved.plugins.get(id);
    const leastPlugin = world.commitAt(pluginKey(id), now - boundMs);
    if (plugin === undefined ? leastPlugin > 0 : commitOf(plugin) < leastPlugin)
      broken.push(`plugin ${id} of ${team} was ${plugin && commitOf(plugin)} ${at}, not c${leastPlugin}`);
  }
  return broken;
}

describe("the routing table in a simulated world", () => {
  const seeds = fc.integer({ min: 1, max: 2 ** 31 - 1 });

  test("a change is in force within a quarter of a second while nothing fails", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, fc.constantFrom(2, 100), async (seed, teamsMax) => {
        // A relay (40 ms), a poll that had just been answered (30), the pause (100), the next poll there and back (60).
        // With room for two teams, entries are dropped while the rest of their batch is read: up to four rounds more (seed 276182582).
        const boundMs = teamsMax === 2 ? 230 + 4 * 60 : 230;
        const { broken, answers } = await simulate({ seed, teamsMax, faults: false, boundMs });
        expect(broken).toEqual([]);
        expect(answers).toBeGreaterThan(100);
      }),
      { numRuns: 25 },
    );
  });

  test("no answer is older than the bound, and none is a guess, whatever fails", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, fc.constantFrom(2, 100), async (seed, teamsMax) => {
        const boundMs = STALE_AFTER_MS + BEHIND_MS;
        const { broken, answers } = await simulate({ seed, teamsMax, faults: true, boundMs });
        expect(broken).toEqual([]);
        expect(answers).toBeGreaterThan(0);
      }),
      { numRuns: 60 },
    );
  });
});
