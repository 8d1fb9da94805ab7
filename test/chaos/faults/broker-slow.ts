import { Admin } from "@platformatic/kafka";
import type { Fault } from "./fault.ts";

const BYTES_PER_SECOND = 20_000;

/** A quota on what routers may write makes the brokers answer them late, as slow disks do. */
export const brokerSlow: Fault = {
  name: "broker-slow",
  what: `brokers take ${BYTES_PER_SECOND / 1_000} kB/s from routers (a quota)`,
  touches: ["brokers"],
  standsMs: 15_000,
  standing: true,
  inject: async ({ kafkaCluster }) => {
    const admin = new Admin({ clientId: "chaos-quota", bootstrapBrokers: [...kafkaCluster.addresses] });
    const alter = (op: { value: number; remove: boolean }) =>
      admin.alterClientQuotas({
        entries: [
          {
            entities: [{ entityType: "client-id", entityName: "plugboard-router" }],
            ops: [{ key: "producer_byte_rate", ...op }],
          },
        ],
        validateOnly: false,
      });
    await alter({ value: BYTES_PER_SECOND, remove: false });
    return async () => {
      await alter({ value: 0, remove: true });
      await admin.close();
    };
  },
};
