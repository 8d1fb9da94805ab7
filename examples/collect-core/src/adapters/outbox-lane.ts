import { hash } from "node:crypto";

/** As many as the migration made; more lanes let more relays work side by side. */
const LANES = 8;

/**
 * The lane of an event's key. One relay at a time works on a lane, so events of one response are emitted in the order
 * they were written, whichever instance emits them.
 */
export function outboxLane(key: string): number {
  return Number.parseInt(hash("md5", key, "hex").slice(0, 6), 16) % LANES;
}
