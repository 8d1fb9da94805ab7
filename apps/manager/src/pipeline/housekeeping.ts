import type { Clock, Component, Logger } from "@plugboard/runtime";
import type { RoutingStore, TopicDeletions, TopicStore } from "../domain/ports.ts";
import { PeriodicLoop } from "./periodic-loop.ts";

const DELETIONS_POLL_MS = 1_000;
const PRUNE_MS = 3_600_000;
const SHARED_TOPICS_RETRY_MS = 2_000;
const DAY_MS = 86_400_000;

/** Removes topics of deregistered plugins once no router can still know them. */
export function topicRemover(use: {
  deletions: TopicDeletions;
  topics: TopicStore;
  clock: Clock;
  logger: Logger;
}): PeriodicLoop {
  const work = async (signal: AbortSignal) => {
    const remove = async (plugin: string) => {
      await use.topics.remove(plugin);
      use.logger.info({ plugin }, "topics of a deregistered plugin deleted");
    };
    while (!signal.aborted && (await use.deletions.next(remove)));
  };
  return new PeriodicLoop("topic-remover", work, { ...use, intervalMs: DELETIONS_POLL_MS });
}

/** Forgets routing entries superseded long ago. */
export function historyPruner(use: {
  routing: RoutingStore;
  days: number;
  clock: Clock;
  logger: Logger;
}): PeriodicLoop {
  const work = async () => {
    const pruned = await use.routing.pruneHistory(new Date(use.clock.now() - use.days * DAY_MS));
    if (pruned > 0) use.logger.info({ pruned }, "old routing entries forgotten");
  };
  return new PeriodicLoop("history-pruner", work, { ...use, intervalMs: PRUNE_MS });
}

/** Creates the topics that every deployment has; goes on trying until Kafka has answered. */
export class SharedTopics implements Component {
  readonly name = "shared-topics";
  readonly #loop: PeriodicLoop;
  #done = false;

  constructor(use: { topics: TopicStore; clock: Clock; logger: Logger }) {
    const work = async () => {
      if (this.#done) return;
      await use.topics.ensureShared();
      this.#done = true;
    };
    this.#loop = new PeriodicLoop("shared-topics", work, { ...use, intervalMs: SHARED_TOPICS_RETRY_MS });
  }

  async start(): Promise<void> {
    await this.#loop.start();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
  }

  get problem(): string | null {
    return this.#done ? null : "Kafka has not created the shared topics yet";
  }
}
