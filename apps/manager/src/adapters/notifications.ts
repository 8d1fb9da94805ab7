/** Channels of Postgres' NOTIFY. They only wake loops that poll anyway: a lost notification delays, nothing more. */
export const CHANNEL = { routing: "plugboard_routing", initialize: "plugboard_initialize" } as const;
