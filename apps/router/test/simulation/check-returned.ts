import { originPartition, told } from "./facts.ts";
import type { Copy } from "./history.ts";

/** What was parked comes back to its own topic, nothing else does, and first arrivals of a key come as they were parked. */
export function checkReturned(visible: readonly Copy[]): string[] {
  const broken: string[] = [];
  const parked = new Map<string, number>();
  const missing = new Map<string, Copy>();
  for (const [rank, copy] of visible.entries())
    if (copy.parked && !parked.has(place(copy))) {
      parked.set(place(copy), rank);
      missing.set(place(copy), copy);
    }
  const latest = new Map<string, Copy>();
  for (const copy of visible) {
    if (!copy.returned) continue;
    const rank = parked.get(place(copy));
    if (rank === undefined) {
      broken.push(`returned and never parked: ${told(copy)}`);
      continue;
    }
    if (!missing.delete(place(copy))) continue;
    const lane = `${copy.topic} ${originPartition(copy)} ${copy.key}`;
    const before = latest.get(lane);
    if (before !== undefined && (parked.get(place(before)) ?? 0) > rank)
      broken.push(`returned out of order: ${told(copy)} behind ${told(before)}`);
    else latest.set(lane, copy);
  }
  for (const copy of missing.values()) broken.push(`not returned: ${told(copy)}`);
  return broken;
}

function place({ origin, topic }: Copy): string {
  return `${origin} ${topic}`;
}
