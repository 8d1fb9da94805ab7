import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { Failure, problemDocument, type RegistrationResponse } from "@plugboard/contract";
import { createLogger, systemClock } from "@plugboard/runtime";
import { waitUntil } from "@plugboard/stack";
import { z } from "zod";
import { definePlugin } from "../../src/index.ts";
import { ManagerClient } from "../../src/registration/manager-client.ts";
import { afterAdmission, Registrar } from "../../src/registration/registrar.ts";
import { registrationBody } from "../../src/registration/registration-body.ts";
import { FakeManager } from "../support/fake-manager.ts";

const WAIT_MS = 20_000;
let manager: FakeManager;
let registrar: Registrar;
let answers: RegistrationResponse[] = [];

const definition = definePlugin({
  metadata: { id: "caller", name: "Caller", description: "Calls.", version: "3", events: ["onResponse"] },
  settings: z.object({ color: z.string().default("red") }),
});

beforeEach(async () => {
  answers = [];
  manager = new FakeManager("caller", "plugin.");
  await manager.start();
  registrar = new Registrar({
    manager: new ManagerClient({ url: `${manager.url}/`, token: "a-token", plugin: "caller" }),
    body: () => registrationBody(definition, "http://127.0.0.1:4205", null),
    instance: "i-1",
    version: "3",
    keys: [],
    clock: systemClock,
    logger: createLogger("test", "silent"),
    onRegistered: (answer) => answers.push(answer),
    heartbeatMs: 20,
  });
});
afterEach(async () => {
  await registrar.stop();
  await manager.stop();
});

const registrations = () => manager.heardOf("PUT", /\/v1\/plugins\/caller$/);
const heartbeats = () => manager.heardOf("PUT", /\/v1\/plugins\/caller\/instances\/i-1$/);

describe("Registrar", () => {
  test("registers with what the definition says and the token, beats, and says goodbye", async () => {
    await registrar.start();
    await waitUntil("three heartbeats", WAIT_MS, () => (heartbeats().length >= 3 ? true : undefined));
    expect(registrations()).toHaveLength(1);
    expect(registrations()[0]).toMatchObject({
      authorization: "Bearer a-token",
      body: {
        name: "Caller",
        url: "http://127.0.0.1:4205",
        settings: { type: "object", properties: { color: { type: "string", default: "red" } } },
        publicKey: null,
        sync: null,
      },
    });
    expect(registrar.problem).toBeNull();
    await registrar.stop();
    expect(manager.heardOf("DELETE", /\/v1\/plugins\/caller\/instances\/i-1$/)).toHaveLength(1);
  });

  test("goes on until a manager is there", async () => {
    await manager.stop();
    await registrar.start();
    await waitUntil("a try has failed", WAIT_MS, () =>
      registrar.problem?.includes("does not answer") ? true : undefined,
    );
    expect(registrar.registered).toBe(false);
    await manager.start();
    await waitUntil("it is registered", WAIT_MS, () => (registrar.registered ? true : undefined));
    expect(answers).toHaveLength(1);
  });

  test("registers again after the manager failed or forgot it", async () => {
    await registrar.start();
    await waitUntil("a heartbeat", WAIT_MS, () => (heartbeats().length > 0 ? true : undefined));
    manager.failWith = 404;
    await waitUntil("the heartbeat is refused", WAIT_MS, () => (registrar.problem === null ? undefined : true));
    manager.failWith = null;
    await waitUntil("it is registered again", WAIT_MS, () => (answers.length === 2 ? true : undefined));
    await waitUntil("all is well", WAIT_MS, () => (registrar.problem === null ? true : undefined));
  });

  test("can be stopped while no manager is there", async () => {
    await manager.stop();
    await registrar.start();
    await registrar.stop();
    expect(registrar.registered).toBe(false);
  });
});

describe("of two versions side by side, the older one", () => {
  beforeEach(async () => {
    await registrar.start();
    await waitUntil("it is registered", WAIT_MS, () => (registrar.registered ? true : undefined));
    manager.standing = { version: "4", alive: true };
  });
  const beatsSince = (count: number) => heartbeats().length - count;

  test("says what it runs, and leaves the newer one's registration in place, also when the manager was away", async () => {
    manager.failWith = 503;
    await waitUntil("a heartbeat fails", WAIT_MS, () => (registrar.problem === null ? undefined : true));
    manager.failWith = null;
    await waitUntil("all is well", WAIT_MS, () => (registrar.problem === null ? true : undefined));
    const before = heartbeats().length;
    await waitUntil("it beats on", WAIT_MS, () => (beatsSince(before) > 10 ? true : undefined));
    expect(heartbeats().at(-1)?.body).toEqual({ version: "3", keys: [] });
    expect(registrations()).toHaveLength(1);
  });

  test("registers again once no instance of the newer one has lived for a while: it was rolled back", async () => {
    manager.standing = { version: "4", alive: false };
    const before = heartbeats().length;
    await waitUntil("it registers", WAIT_MS, () => (registrations().length === 2 ? true : undefined));
    expect(beatsSince(before)).toBeGreaterThan(4);
  });

  test("registers again when the manager knows the plugin no more", async () => {
    manager.failWith = 404;
    await waitUntil("a heartbeat fails", WAIT_MS, () => (registrar.problem === null ? undefined : true));
    manager.standing = undefined;
    manager.failWith = null;
    await waitUntil("it registers", WAIT_MS, () => (answers.length === 2 ? true : undefined));
  });
});

describe("a version whose schema is refused", () => {
  const refusal = problemDocument(
    new Failure("settings-invalidated", "the settings of 1 team(s) do not fit", {
      teams: { count: 1, named: ["red"] },
    }),
  );

  test("asks until it is taken, and only then lets deliveries in", async () => {
    let started = false;
    const start = async () => {
      started = true;
    };
    const consumer = afterAdmission(registrar, { name: "consumer", start });
    manager.refuseRegistration = refusal;
    await registrar.start();
    await consumer.start?.();
    await waitUntil("it was refused twice", WAIT_MS, () => (registrations().length >= 2 ? true : undefined));
    expect([registrar.registered, started]).toEqual([false, false]);
    expect(registrar.problem).toContain("settings-invalidated");
    manager.refuseRegistration = null;
    await waitUntil("deliveries are let in", WAIT_MS, () => started || undefined);
    expect(registrar.registered).toBe(true);
  });

  test("lets deliveries in when there is no manager to refuse it", async () => {
    let started = false;
    const start = async () => {
      started = true;
    };
    const consumer = afterAdmission(registrar, { name: "consumer", start });
    manager.failWith = 503;
    await registrar.start();
    await consumer.start?.();
    await waitUntil("deliveries are let in", WAIT_MS, () => started || undefined);
    expect(registrar.registered).toBe(false);
  });
});

describe("registrationBody", () => {
  test("names every mistake of a definition at once", () => {
    const wrong = { ...definition, metadata: { ...definition.metadata, name: "", events: ["not an event"] } };
    expect(() => registrationBody(wrong, "ftp://somewhere", null)).toThrow(
      /\/name: [\s\S]*\/url: [\s\S]*\/events\/0: /,
    );
  });
});
