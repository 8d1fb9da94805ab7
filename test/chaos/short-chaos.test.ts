import { randomInt } from "node:crypto";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { projectRoot } from "@plugboard/stack";
import { ATTEMPTS_MAX, attempted } from "./attempted.ts";
import { Dice } from "./dice.ts";
import { brokerKilled } from "./faults/broker-killed.ts";
import type { Fault } from "./faults/fault.ts";
import { managersKilled } from "./faults/managers-killed.ts";
import { pluginTopicUnwritable } from "./faults/plugin-topic-unwritable.ts";
import { poisonRecords } from "./faults/poison-records.ts";
import { redisFlushed } from "./faults/redis-flushed.ts";
import { redisRestartedEmpty } from "./faults/redis-restarted-empty.ts";
import { routerFrozen } from "./faults/router-frozen.ts";
import { routerKilled } from "./faults/router-killed.ts";
import { routerStopped } from "./faults/router-stopped.ts";
import { reportOf, violations } from "./report.ts";
import type { Delivery } from "./rig.ts";
import { type ChaosResult, runChaos } from "./run-chaos.ts";

/** `CHAOS_SEED` repeats a run's choices: what is broken, in which order, and who is hit. */
const { CHAOS_SEED = randomInt(1, 2 ** 31) } = process.env;
const SEED = Number(CHAOS_SEED);
/** A quiet machine takes a minute. Nothing is asserted of time; each wait inside has a deadline of its own, of minutes. */
const DEADLINE_MS = 900_000;
const PER_SECOND = 60;

/** Always: what loses and repeats. */
const ALWAYS: readonly Fault[] = [routerKilled, brokerKilled];
/** Two of these, as the seed chooses. */
const SOME: readonly Fault[] = [
  managersKilled,
  pluginTopicUnwritable,
  poisonRecords,
  redisFlushed,
  redisRestartedEmpty,
  routerFrozen,
  routerStopped,
];

/** The short form of `npm run chaos`: what an installation of one manager and two routers promises, whatever is broken. */
describe(`an installation that is broken under load and healed (CHAOS_SEED=${SEED})`, () => {
  test.each<Delivery>(["at-least-once", "exactly-once"])(
    "has lost, misrouted and confused nothing: %s",
    async (delivery) => {
      const result = await runOnce(delivery);
      // All of it, when anything is wrong: the rig is gone by then.
      const broken = [...violations(result)].filter(([, items]) => items.length > 0);
      if (broken.length > 0) process.stderr.write(`seed ${SEED}, ${delivery}\n${reportOf(result)}`);
      expect(broken).toEqual([]);
      expect(result.events).toBeGreaterThan(100);
    },
    ATTEMPTS_MAX * DEADLINE_MS,
  );
});

async function runOnce(delivery: Delivery): Promise<ChaosResult> {
  const dice = new Dice(SEED);
  const faults = [...ALWAYS, ...dice.shuffled(SOME).slice(0, 2)];
  return await attempted(
    `chaos, seed ${SEED}, ${delivery}`,
    (report) =>
      runChaos({
        seed: SEED,
        delivery,
        perSecond: PER_SECOND,
        faults,
        quietMs: 1_000,
        size: { managers: 1, routers: 2 },
        logs: join(projectRoot(), ".plugboard", `chaos-in-tests-${delivery}`),
        report,
      }),
    (result) => [...violations(result).values()].every((items) => items.length === 0),
  );
}
