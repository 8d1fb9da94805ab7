import { type Facts, originPartition, told } from "./facts.ts";
import type { Copy } from "./history.ts";

/**
 * Once a partition's new owner has written from it, the one before writes nothing more of it; unless, at least once, it
 * could not know that it lost it.
 */
export function checkOwners(visible: readonly Copy[], { history, exactlyOnce }: Facts): string[] {
  const { owners, disturbances } = history;
  const lastWrite = new Map<string, number>();
  return visible.flatMap((copy) => {
    if (copy.returned) return [];
    const partition = originPartition(copy);
    const owner = owners.get(partition)?.findLast(({ at }) => at <= copy.at);
    lastWrite.set(`${partition} ${copy.router}`, copy.at);
    if (owner === undefined || owner.router === copy.router) return [];
    if ((lastWrite.get(`${partition} ${owner.router}`) ?? -1) < owner.at) return [];
    const explained = disturbances.some(({ at, untilMs }) => at <= copy.at && untilMs >= owner.at - 1);
    if (explained && !exactlyOnce) return [];
    return [`two owners: ${told(copy)}, though ${owner.router} has had the partition since ${owner.at.toFixed(1)}`];
  });
}
