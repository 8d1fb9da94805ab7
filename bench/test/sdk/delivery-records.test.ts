import { expect, test } from "@jest/globals";
import { deliveryId } from "@plugboard/contract";
import { receive } from "../../../packages/plugin-sdk/src/delivery/received.ts";
import { deliveryMessage } from "../../src/sdk/delivery-records.ts";
import { deliveryWorkload, type SdkOptions, sdkResultName } from "../../src/sdk/sdk-options.ts";
import { teamId } from "../../src/workload.ts";

const options: SdkOptions = { seed: 7, disk: "tmpfs" };
const to = { topic: "of-0.noop", partitions: 6, plugin: "noop", prefix: "of-0." };

test("a plugin reads what the bench writes as it reads what a router writes", () => {
  const workload = deliveryWorkload(options, 5_000, 10);
  const { key, value, headers } = deliveryMessage(workload, 4_321, to);
  const received = receive(
    {
      key: key ?? null,
      value: value ?? null,
      headers: [...(headers as Map<Buffer, Buffer>)].map(([name, text]) => [String(name), text] as const),
      readFrom: "of-0.noop/0/0",
    },
    "noop",
    "core",
  );
  const team = teamId(workload.teamOf(4_321));
  expect(value?.length).toBe(490);
  expect(received).toMatchObject({
    kind: "delivery",
    id: deliveryId(team, "noop", "core", "e0000004321"),
    event: { id: "e0000004321", teamId: team, type: "onResponse", source: "core" },
    routeVersion: "1.1",
  });
});

test("a result of less than what is meant is a trial, unless it is named", () => {
  expect(sdkResultName("overhead", { ...options, repeats: 3 }, 3)).toBe("sdk-overhead");
  expect(sdkResultName("overhead", { ...options, repeats: 2 }, 3)).toBe("trial-sdk-overhead");
  expect(sdkResultName("overhead", { ...options, records: 5 }, 3)).toBe("trial-sdk-overhead");
  expect(sdkResultName("overhead", { ...options, records: 5, name: "mine" }, 3)).toBe("mine");
});
