import type { Pool } from "pg";
import type { z } from "zod";
import type { PluginDefinition } from "../define-plugin.ts";
import { afterCut } from "../delivery/after-cut.ts";
import { DeliveryStore } from "./delivery-store.ts";
import type { RetryStore } from "./retry-store.ts";
import { type Identities, type UnderWay, UnrecordedDeliveries } from "./unrecorded-deliveries.ts";

/** The identity records of a plugin, as it wants them. @param leaseMs how long a claim holds. */
export function identities<Schema extends z.ZodObject>(
  definition: PluginDefinition<Schema>,
  pool: Pool,
  retries: RetryStore,
  leaseMs: number,
): { readonly deliveries: DeliveryStore; readonly attempted: Identities; readonly underWay: UnderWay } {
  const fence = definition.revisions !== "all";
  const deliveries = new DeliveryStore(pool, { leaseMs, afterCut: afterCut(definition), fence });
  if (definition.identity === "none") {
    const unrecorded = new UnrecordedDeliveries(deliveries, retries);
    return { deliveries, attempted: unrecorded, underWay: unrecorded };
  }
  const underWay: UnderWay = {
    store: (received, forMs) => retries.handOverClaimed(received, forMs),
    ended: ({ id }) => retries.removeSettled(id),
  };
  return { deliveries, attempted: deliveries, underWay };
}
