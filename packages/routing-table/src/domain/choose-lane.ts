import type { EventAttributes, Lane, PluginEntry } from "@plugboard/contract";

/**
 * The lane that an event takes at a plugin, as long as its team is within its quota; beyond it everything is `bulk`.
 * What is imported or replayed (`bulk`) is not urgent, whatever its name.
 */
export function chooseLane(
  event: Pick<EventAttributes, "type" | "priority">,
  { priorityEvents }: Pick<PluginEntry, "priorityEvents">,
): Lane {
  if (event.priority === "bulk") return "bulk";
  return event.priority === "urgent" || priorityEvents.includes(event.type) ? "priority" : "live";
}
