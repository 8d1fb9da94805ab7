import type { Clock } from "@plugboard/runtime";
import type { z } from "zod";
import type { PluginDefinition } from "../define-plugin.ts";
import { Batches } from "./batches.ts";
import { LATE_MS } from "./fair-pool.ts";
import type { Received } from "./received.ts";

/** How a plugin's handler gets its deliveries. */
export interface Handling<Schema extends z.ZodObject> {
  /** With an `onEvent` for each single attempt. */
  readonly definition: PluginDefinition<Schema>;
  /** Deliveries under way at once, of one process. */
  readonly inFlightMax: number;
  /** Makes an attempt, together with others where the plugin wants batches; `putOff` stores it for later instead. */
  readonly around: (received: Received, attempt: () => Promise<void>, putOff: () => Promise<void>) => Promise<void>;
}

const BATCH_ITEMS_MAX = 50;
const BATCH_WAIT_MS_MAX = 100;
/**
 * Deliveries on their way at once, for batches: they share six connections for their claims, of which each needs about a
 * millisecond, and a wait of five seconds for one is an error.
 */
const IN_FLIGHT_MAX = 512;

/** One at a time for a plugin with `onEvent`; for one with `onBatch`, batches, `concurrency` of them at once. */
export function oneOrBatches<Schema extends z.ZodObject>(
  definition: PluginDefinition<Schema>,
  concurrency: number,
  clock: Clock,
): Handling<Schema> {
  const { onBatch, batch: { itemsMax = BATCH_ITEMS_MAX, waitMsMax = BATCH_WAIT_MS_MAX } = {} } = definition;
  if (onBatch === undefined) return { definition, inFlightMax: concurrency, around: (_, attempt) => attempt() };
  const limits = {
    itemsMax,
    waitMsMax,
    atOnceMax: concurrency,
    teamAtOnceMax: Math.ceil(concurrency / 2),
    // What waits behind calls that are late leaves its window.
    placeMsMax: LATE_MS + waitMsMax,
  };
  const batches = new Batches({ definition, limits, clock });
  return {
    definition: { ...definition, onEvent: batches.onEvent },
    // A team gets half of them: at least one full batch.
    inFlightMax: Math.max(concurrency, Math.min(concurrency * itemsMax, IN_FLIGHT_MAX), itemsMax * 2),
    around: (received, attempt, putOff) => batches.around(received, attempt, putOff),
  };
}
