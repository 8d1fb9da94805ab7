import { afterEach, describe, expect, test } from "@jest/globals";
import { createLogger, systemClock } from "@plugboard/runtime";
import { waitUntil } from "@plugboard/stack";
import { type Degradable, type Resource, resource } from "../../src/index.ts";
import { HeldResource } from "../../src/resources/held-resource.ts";

const WAIT_MS = 40_000;
const QUICK = { reopenMs: 5, reopenMsMax: 20, checkEveryMs: 10, openMsMax: 20_000, checkMsMax: 20_000 };

/** Something outside that is switched on and off. */
class Vendor {
  up = true;
  /** Whether the connection that was made last works. */
  connectionWorks = true;
  readonly opened: number[] = [];
  readonly closed: number[] = [];

  resource<const Critical extends boolean>(critical: Critical, reopen = true): Resource<number, Critical> {
    return resource({
      prefix: "VENDOR",
      critical,
      reopen,
      open: () => {
        if (!this.up) throw new Error("the vendor is away");
        this.connectionWorks = true;
        this.opened.push(this.opened.length + 1);
        return this.opened.length;
      },
      check: async () => {
        if (!this.up || !this.connectionWorks) throw new Error("no answer from the vendor");
      },
      close: (value) => void this.closed.push(value),
    });
  }
}

describe("a resource", () => {
  const held: HeldResource[] = [];
  const hold = (given: Resource<unknown>, timing = {}) => {
    const one = new HeldResource({
      name: "vendor",
      resource: given,
      settings: {},
      logger: createLogger("test", "silent"),
      clock: systemClock,
      timing: { ...QUICK, ...timing },
    });
    held.push(one);
    return one;
  };
  const isIn = (one: HeldResource, state: HeldResource["state"]) =>
    waitUntil(`the resource is ${state}`, WAIT_MS, () => (one.state === state ? true : undefined));
  afterEach(() => Promise.all(held.splice(0).map((one) => one.stop())));

  test("that is critical is given as it was opened, and closed once", async () => {
    const vendor = new Vendor();
    const one = hold(vendor.resource(true));
    expect(() => one.injected).toThrow("vendor: not opened yet");
    await one.start();
    expect([one.state, one.problem, one.injected]).toEqual(["available", null, 1]);
    await one.stop();
    await one.stop();
    expect([one.state, vendor.closed]).toEqual(["closed", [1]]);
    expect(() => one.injected).toThrow("vendor: closed");
  });

  test("that is critical and away keeps its start waiting, and is there once it can be opened", async () => {
    const vendor = new Vendor();
    vendor.up = false;
    const one = hold(vendor.resource(true));
    let started = false;
    const starting = one.start().then(() => {
      started = true;
    });
    await waitUntil("it was tried", WAIT_MS, () => (one.problem === "the vendor is away" ? true : undefined));
    expect([started, one.state]).toEqual([false, "opening"]);
    vendor.up = true;
    await starting;
    expect(one.injected).toBe(1);
  });

  test("that is not critical and away lets the start go on, says why, and comes by itself", async () => {
    const vendor = new Vendor();
    vendor.up = false;
    const one = hold(vendor.resource(false));
    await one.start();
    const degraded = one.injected as Degradable<number>;
    expect(degraded).toMatchObject({ available: false, problem: "the vendor is away" });
    expect(() => degraded.use()).toThrow("vendor: the vendor is away");
    vendor.up = true;
    await isIn(one, "available");
    expect((one.injected as Degradable<number>).use()).toBe(1);
  });

  test("whose check fails is unavailable until it passes again; one that connects by itself is not opened anew", async () => {
    const vendor = new Vendor();
    const one = hold(vendor.resource(false, false));
    await one.start();
    vendor.up = false;
    await isIn(one, "unavailable");
    expect(one.injected).toMatchObject({ available: false, problem: "no answer from the vendor" });
    vendor.up = true;
    await isIn(one, "available");
    expect([vendor.opened, vendor.closed]).toEqual([[1], []]);
  });

  test("whose connection is broken for good is closed and opened anew", async () => {
    const vendor = new Vendor();
    const one = hold(vendor.resource(true));
    await one.start();
    vendor.connectionWorks = false;
    await waitUntil("it was opened again", WAIT_MS, () => (vendor.opened.length === 2 ? true : undefined));
    await isIn(one, "available");
    expect([vendor.closed, one.injected]).toEqual([[1], 2]);
  });

  test("that opens after its time is closed, for nobody has it", async () => {
    const closed: string[] = [];
    const late = Promise.withResolvers<string>();
    const first = Promise.withResolvers<string>();
    const opens = [late.promise, first.promise];
    const one = hold(
      resource({
        prefix: "VENDOR",
        critical: true,
        open: () => opens.shift() ?? Promise.reject(new Error("opened too often")),
        close: (value: string) => void closed.push(value),
      }),
      { openMsMax: 300 },
    );
    const starting = one.start();
    await waitUntil("its time was over", WAIT_MS, () => (opens.length === 0 ? true : undefined));
    first.resolve("second");
    late.resolve("first");
    await starting;
    await waitUntil("the late one is closed", WAIT_MS, () => (closed.includes("first") ? true : undefined));
    expect(one.injected).toBe("second");
  });

  test("that hangs as it opens does not hold up the stop", async () => {
    const one = hold(resource({ prefix: "VENDOR", critical: false, open: () => new Promise(() => {}) }));
    const starting = one.start();
    await one.stop();
    await starting;
    expect(one.state).toBe("closed");
  });
});
