import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { createKafkaClient } from "@plugboard/kafka";
import { createLogger, kafkaSettings, loadSettings } from "@plugboard/runtime";
import { killRouters } from "./chaos.ts";
import { readEffects } from "./effects.ts";
import { questionnaires, submitResponses } from "./feed.ts";
import { Ledger } from "./ledger.ts";
import { type Report, shown } from "./progress.ts";
import { type Summary, summarise } from "./report.ts";
import type { DemoTeam } from "./scenario.ts";
import type { System } from "./system.ts";
import { SPREADSHEETS, type Vendors } from "./vendors.ts";

/** Given up when nothing was settled for this long, milliseconds: longer than a rebalance and a retry's first delays. */
const NO_PROGRESS_MS_MAX = 120_000;
const PROGRESS_INTERVAL_MS = 250;

/** Submits the responses, waits until each delivery is settled (or nothing moves any more), and counts. */
export async function feedAndCount(
  options: { readonly responses: number; readonly chaos: boolean },
  system: System,
  teams: readonly DemoTeam[],
  vendors: Vendors,
): Promise<Summary> {
  const run = `demo-${randomUUID()}`;
  const settings = loadSettings("demo", kafkaSettings, {
    ...process.env,
    KAFKA_BROKERS: system.addresses.kafkaBrokers,
  });
  const ledger = new Ledger(createKafkaClient("plugboard-demo", settings, createLogger("demo", "error")), run, teams);
  await ledger.start();
  const chaos = options.chaos ? killRouters(system.routers) : undefined;
  try {
    const title = `${options.responses} responses${chaos === undefined ? "" : ", a router killed every 3 s"}`;
    const refused = await shown(title, async (report) => {
      let submitted = 0;
      const feeding = submitResponses({
        coreUrl: system.core.url,
        run,
        teams,
        rows: questionnaires(),
        count: options.responses,
        onProgress: (count) => {
          submitted = count;
        },
      });
      const told = () =>
        `${submitted} submitted, ${ledger.responses.size} emitted, ${ledger.delivered()} deliveries done${chaos === undefined ? "" : `, ${chaos.kills()} kills`}`;
      const result = await withProgress(feeding, report, told);
      await settled(ledger, options.responses - result.failed, report, told);
      return result;
    });
    for (const reason of refused.reasons) process.stdout.write(`A submit failed: ${reason}\n`);
    const effects = await readEffects(system.addresses.databaseUrl, run, vendors, Object.values(SPREADSHEETS));
    return summarise(ledger, effects, refused.failed);
  } finally {
    await chaos?.stop();
    await ledger.stop();
  }
}

async function withProgress<T>(work: Promise<T>, report: Report, told: () => string): Promise<T> {
  const timer = setInterval(() => report(told()), PROGRESS_INTERVAL_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

/** Waits until every emitted response's deliveries are settled, or nothing has moved for a minute. */
async function settled(ledger: Ledger, stored: number, report: Report, told: () => string): Promise<void> {
  let before = -1;
  let movedAt = performance.now();
  while (ledger.responses.size < stored || ledger.unsettled() > 0) {
    const now = ledger.responses.size + ledger.delivered();
    if (now !== before) {
      before = now;
      movedAt = performance.now();
    }
    if (performance.now() - movedAt > NO_PROGRESS_MS_MAX) return;
    report(told());
    await sleep(PROGRESS_INTERVAL_MS);
  }
  report(told());
}
