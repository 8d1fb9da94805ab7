import { createRegistry } from "@plugboard/runtime";
import { AggregatorRegistry, type Metric, Registry } from "prom-client";
import type { Answers } from "./messages.ts";

/** Of Node's default metrics those that each thread has for itself: its event loop, its heap, its collector. */
const OF_A_THREAD = /^nodejs_(?!version)/;
/** The worst thread counts: a mean hides one that is blocked. */
const WORST_OF_ALL = /^nodejs_eventloop_lag_(?!min)/;

/** What a thread measures: the router's own, and of Node's what is the thread's. */
export function createThreadRegistry(): Registry {
  const registry = createRegistry();
  for (const { name } of registry.getMetricsAsArray()) {
    if (!OF_A_THREAD.test(name)) registry.removeSingleMetric(name);
    else if (WORST_OF_ALL.test(name)) setAggregator(registry.getSingleMetric(name), "max");
  }
  return registry;
}

function setAggregator(metric: Metric | undefined, aggregator: string): void {
  if (metric !== undefined) Object.assign(metric, { aggregator });
}

/** The metrics of the process, and those of its threads added up (or the worst of them, as each metric says). */
export class GatheredRegistry extends Registry {
  readonly #gather: () => Promise<readonly Answers["metrics"][]>;

  constructor(gather: () => Promise<readonly Answers["metrics"][]>) {
    super();
    this.#gather = gather;
    const process = createRegistry();
    for (const { name } of process.getMetricsAsArray()) {
      const metric = process.getSingleMetric(name);
      if (metric !== undefined && !OF_A_THREAD.test(name)) this.registerMetric(metric);
    }
  }

  override async metrics(): Promise<string> {
    const threads = AggregatorRegistry.aggregate((await this.#gather()).map((metrics) => [...metrics]));
    return `${await super.metrics()}\n${await threads.metrics()}`;
  }
}
