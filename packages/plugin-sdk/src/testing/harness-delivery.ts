import { createRegistry, type Logger, systemClock, Tracing } from "@plugboard/runtime";
import type { z } from "zod";
import type { PluginDefinition } from "../define-plugin.ts";
import { Attempter, type AttemptParts } from "../delivery/attempt.ts";
import { DueLater } from "../delivery/due-later.ts";
import { FairPool, poolLimits } from "../delivery/fair-pool.ts";
import { oneOrBatches } from "../delivery/one-or-batches.ts";
import type { OutcomeReport } from "../delivery/outcome-publisher.ts";
import type { Received } from "../delivery/received.ts";
import { RetryLoop, type RetryLoopParts } from "../delivery/retry-loop.ts";
import type { RetryLimits } from "../delivery/retry-schedule.ts";
import type { ContextParts } from "../handlers/handler-context.ts";
import { HANDLER_DEADLINE_MS } from "../handlers/with-deadline.ts";
import { createSdkMetrics } from "../metrics.ts";
import type { TeamSettings } from "../settings/team-settings.ts";
import type { PluginDatabase } from "../store/connect-database.ts";
import { identities } from "../store/identities.ts";
import { RetryStore } from "../store/retry-store.ts";
import type { TakenEntry, Verdict } from "../store/taken-entry.ts";
import type { FakeClock } from "./fake-clock.ts";
import type { TestTeams } from "./stand-ins.ts";

export interface HarnessDeliveryParts<Schema extends z.ZodObject> {
  readonly definition: PluginDefinition<Schema>;
  readonly database: PluginDatabase;
  readonly clock: FakeClock;
  readonly teams: TestTeams;
  readonly settings: TeamSettings<Schema>;
  readonly contexts: ContextParts;
  readonly limits: RetryLimits;
  readonly logger: Logger;
  readonly stopping: AbortSignal;
  readonly report: (received: Received, report: OutcomeReport) => void;
  readonly deadLetter: (record: TakenEntry["record"], verdict: Verdict) => void;
}

const LEASE_MARGIN_MS = 5_000;
/** As in a process, unless it is told otherwise. */
const CONCURRENCY = 16;
/** Entries attempted at once, and so deliveries of one test under way at once. */
const AT_ONCE_MAX = 64;

/** Breakers park a team for as long as other teams' load asks for: in a test of one plugin they would only be in the way. */
const CLOSED: AttemptParts<z.ZodObject>["breakers"] & RetryLoopParts["breakers"] = {
  closed: () => true,
  admit: async () => ({ kind: "go", probe: false }),
  giveBack: async () => {},
  succeeded: async () => {},
  failed: async () => {},
  parks: () => false,
};

/** What decides about deliveries in a plugin's process, with Kafka left out: attempts come from the test. */
export function harnessDelivery<Schema extends z.ZodObject>(parts: HarnessDeliveryParts<Schema>) {
  const { definition, database, clock, logger, stopping, report } = parts;
  const plugin = definition.metadata.id;
  const deadlineMs = definition.handlerDeadlineMs ?? HANDLER_DEADLINE_MS;
  const leaseMs = deadlineMs + LEASE_MARGIN_MS;
  const retries = new RetryStore(database.sdk);
  const { deliveries, attempted } = identities(definition, database.sdk, retries, leaseMs);
  // Batches gather in real time: a test that stood still would wait for ever.
  const handling = oneOrBatches(definition, CONCURRENCY, systemClock);
  const metrics = createSdkMetrics(createRegistry({ defaultMetrics: false }));
  const instance = "harness";
  const draining = new AbortController().signal;
  const breakers = CLOSED;
  const common = { instance, retries, report, metrics, clock, breakers, draining };
  const later = new DueLater({ ...common, onStored: () => {} });
  const attempter = new Attempter({
    ...common,
    deliveries: attempted,
    later,
    definition: handling.definition,
    enablement: { plugin, table: parts.teams, clock },
    settings: parts.settings,
    contexts: parts.contexts,
    limits: parts.limits,
    deadlineMs,
    leaseMs,
    onStored: () => {},
    tracing: new Tracing({ service: plugin, endpoint: undefined, logger, clock }),
  });
  const loop = new RetryLoop({
    ...common,
    deliveries,
    plugin,
    flatSource: "core",
    deadLetters: { write: async (record, verdict) => parts.deadLetter(record, verdict) },
    pool: new FairPool(poolLimits(AT_ONCE_MAX)),
    attempt: (received, entry, signal) =>
      handling.around(
        received,
        () => attempter.attempt(received, entry, signal),
        () => retries.postpone(entry.seq, 0),
      ),
    logger,
    leaseMs,
    stopping,
  });
  return {
    attempt: (received: Received) =>
      handling.around(
        received,
        () => attempter.attempt(received, null, stopping),
        () => retries.handOver([received], 0),
      ),
    /** Attempts what is due, and what becomes due by that; answers how many entries that were. */
    async runDue(): Promise<number> {
      let count = 0;
      for (;;) {
        const entries = await retries.take(AT_ONCE_MAX, leaseMs, instance, []);
        if (entries.length === 0) return count;
        count += entries.length;
        await Promise.all(entries.map((entry) => loop.handle(entry)));
      }
    },
    /** Makes everything that is stored `ms` older. */
    async age(ms: number): Promise<void> {
      const by = "- $1 * interval '1 ms'";
      await database.sdk.query(`UPDATE retries SET due_at = due_at ${by}`, [ms]);
      await database.sdk.query(`UPDATE deliveries SET lease_until = lease_until ${by}`, [ms]);
    },
    wake: (team: string) => retries.wake(team),
    /** What a delivery waits for, and until it is due; null when it does not wait. */
    async waiting(deliveryId: string): Promise<{ readonly for: string; readonly dueInMs: number } | null> {
      const { rows } = await database.sdk.query<{ waiting_for: string; ms: number }>(
        `SELECT waiting_for, extract(epoch FROM due_at - now())::float8 * 1000 AS ms FROM retries WHERE delivery_id = $1`,
        [deliveryId],
      );
      const [row] = rows;
      return row === undefined ? null : { for: row.waiting_for, dueInMs: Math.max(0, Math.round(row.ms)) };
    },
  };
}
