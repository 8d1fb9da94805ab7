import { expect, test } from "@jest/globals";
import { createLogger, systemClock } from "@plugboard/runtime";
import { waitUntil } from "@plugboard/stack";
import { z } from "zod";
import { definePlugin } from "../../src/index.ts";
import { ManagerClient } from "../../src/registration/manager-client.ts";
import { Registrar } from "../../src/registration/registrar.ts";
import { registrationBody } from "../../src/registration/registration-body.ts";
import { FakeManager } from "../support/fake-manager.ts";

test("heartbeats come at a third of the lease that the manager gives, whatever it is", async () => {
  const definition = definePlugin({
    metadata: { id: "beater", name: "Beater", description: "", version: "1", events: [] },
    settings: z.object({}),
  });
  const manager = new FakeManager("beater", "plugin.");
  manager.leaseSeconds = 6;
  await manager.start();
  const pauses: number[] = [];
  const registrar = new Registrar({
    manager: new ManagerClient({ url: manager.url, token: "a-token", plugin: "beater" }),
    body: () => registrationBody(definition, "http://127.0.0.1:4205", null),
    instance: "i-1",
    version: "1",
    keys: [],
    clock: {
      ...systemClock,
      sleep: (ms, signal) => {
        pauses.push(ms);
        return systemClock.sleep(1, signal);
      },
    },
    logger: createLogger("test", "silent"),
    onRegistered: () => {},
  });
  await registrar.start();
  try {
    await waitUntil("it has beaten", 20_000, () => (pauses.length > 0 ? true : undefined));
    expect(pauses[0]).toBe(2_000);
  } finally {
    await registrar.stop();
    await manager.stop();
  }
});
