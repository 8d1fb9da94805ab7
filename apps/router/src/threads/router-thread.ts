import { parentPort, workerData } from "node:worker_threads";
import { checkHealth, createLogger, Lifecycle } from "@plugboard/runtime";
import { composeRouting } from "../compose.ts";
import { loadRouterSettings } from "../settings.ts";
import type { Answers, FromThread, Question, ThreadStart, ToThread } from "./messages.ts";
import { createThreadRegistry } from "./thread-metrics.ts";
import { settingsOfThread } from "./thread-settings.ts";

/*
 * One thread that routes: all of a router but its surface, which the process has for all of them (router-threads.ts).
 */

const { thread } = workerData as ThreadStart;
const settings = settingsOfThread(loadRouterSettings(process.env), thread);
const logger = createLogger("router", settings.LOG_LEVEL).child({ thread });
const registry = createThreadRegistry();
const { components, checks, status } = composeRouting(settings, { logger, registry });
const lifecycle = new Lifecycle(components, { logger });

const answers: { readonly [Q in Question]: () => Promise<Answers[Q]> } = {
  health: () => checkHealth(checks),
  metrics: () => registry.getMetricsAsJSON(),
  status: () => status.read(),
};

parentPort?.on("message", (message: ToThread) => {
  if (message.kind === "stop") void lifecycle.stop().finally(() => process.exit(0));
  else void answer(message.id, message.question);
});
lifecycle.broken.catch(fail);
try {
  await lifecycle.start();
  tell({ kind: "started" });
} catch (error) {
  fail(error);
}

async function answer(id: number, question: Question): Promise<void> {
  try {
    tell({ kind: "answer", id, answer: await answers[question]() });
  } catch (error) {
    tell({ kind: "no-answer", id, reason: (error as Error).message });
  }
}

/** The process says why, and ends. */
function fail(error: unknown): void {
  tell({ kind: "failed", reason: error instanceof Error ? error.message : String(error) });
}

function tell(message: FromThread): void {
  parentPort?.postMessage(message);
}
