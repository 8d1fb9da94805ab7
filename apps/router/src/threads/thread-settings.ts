import type { RouterSettings } from "../settings.ts";

/** Least memory that a thread works with, as that of a router. */
const IN_FLIGHT_BYTES_MIN = 1_048_576;

/**
 * The settings of one thread of several: its share of the memory, and a name of its own. The first keeps the router's name,
 * so a router that gets more threads begins with what it had.
 * @param thread from 0.
 */
export function settingsOfThread(settings: RouterSettings, thread: number): RouterSettings {
  const { ROUTER_INSTANCE_ID: instance, ROUTER_IN_FLIGHT_BYTES: bytes, ROUTER_THREADS: threads } = settings;
  return {
    ...settings,
    ROUTER_IN_FLIGHT_BYTES: Math.max(IN_FLIGHT_BYTES_MIN, Math.floor(bytes / threads)),
    ROUTER_INSTANCE_ID: instance === undefined || thread === 0 ? instance : `${instance}.${thread}`,
  };
}
