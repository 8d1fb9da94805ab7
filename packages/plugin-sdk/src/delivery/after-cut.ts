import type { z } from "zod";
import type { PluginDefinition } from "../define-plugin.ts";
import type { DeliveryStoreOptions } from "../store/delivery-store.ts";

/** What follows an attempt that was cut short, as the plugin wants it. */
export function afterCut<Schema extends z.ZodObject>({
  resolveUnknown,
  redeliver,
}: PluginDefinition<Schema>): DeliveryStoreOptions["afterCut"] {
  if (resolveUnknown !== undefined) return "resolve";
  return redeliver === "unsafe" ? "unknown" : "repeat";
}
