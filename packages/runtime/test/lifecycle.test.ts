import { describe, expect, test } from "@jest/globals";
import { type Component, createLogger, Lifecycle } from "../src/index.ts";

const logger = createLogger("test", "silent");

/** Components that write down what happens to them. */
function recorded(names: readonly string[], failing?: { readonly name: string; readonly in: "start" | "stop" }) {
  const story: string[] = [];
  const step = (name: string, what: "start" | "stop") => async () => {
    story.push(`${what} ${name}`);
    if (failing?.name === name && failing.in === what) throw new Error(`${name} cannot ${what}`);
  };
  const components = names.map((name): Component => ({ name, start: step(name, "start"), stop: step(name, "stop") }));
  return { story, components };
}

describe("Lifecycle", () => {
  test("starts in order and stops in reverse", async () => {
    const { story, components } = recorded(["a", "b", "c"]);
    const lifecycle = new Lifecycle(components, { logger });
    await lifecycle.start();
    expect(lifecycle.state).toBe("running");
    await lifecycle.stop();
    expect(lifecycle.state).toBe("stopped");
    expect(story).toEqual(["start a", "start b", "start c", "stop c", "stop b", "stop a"]);
  });

  test("a component that cannot start has those before it stopped, and the error thrown", async () => {
    const { story, components } = recorded(["a", "b", "c"], { name: "b", in: "start" });
    const lifecycle = new Lifecycle(components, { logger });
    await expect(lifecycle.start()).rejects.toThrow("b cannot start");
    expect(story).toEqual(["start a", "start b", "stop b", "stop a"]);
  });

  test("a component that cannot stop does not keep the others from it", async () => {
    const { story, components } = recorded(["a", "b"], { name: "b", in: "stop" });
    const lifecycle = new Lifecycle(components, { logger });
    await lifecycle.start();
    await lifecycle.stop();
    expect(story.slice(2)).toEqual(["stop b", "stop a"]);
  });

  test("stopping twice stops once, and both wait for the end", async () => {
    const { story, components } = recorded(["a"]);
    const lifecycle = new Lifecycle(components, { logger });
    await lifecycle.start();
    await Promise.all([lifecycle.stop(), lifecycle.stop()]);
    expect(story).toEqual(["start a", "stop a"]);
  });

  test("a component that hangs is given up after its deadline", async () => {
    const hanging: Component = { name: "slow", start: () => new Promise(() => {}) };
    const lifecycle = new Lifecycle([hanging], { logger, startDeadlineMs: 20 });
    await expect(lifecycle.start()).rejects.toThrow("slow did not start within 20 ms");
  });

  test("tells each phase as it begins, then that it runs, then that it stops", async () => {
    const { story, components } = recorded(["a", "b", "c"]);
    const [a, b, c] = components as [Component, Component, Component];
    const phased = [{ ...a, phase: "first" }, b, { ...c, phase: "second" }];
    const lifecycle = new Lifecycle(phased, { logger, onPhase: (phase) => void story.push(phase) });
    await lifecycle.start();
    await lifecycle.stop();
    const started = ["first", "start a", "start b", "second", "start c", "running"];
    expect(story).toEqual([...started, "on-stop", "stop c", "stop b", "stop a"]);
  });

  test("the components of a phase share its deadline, and the one that has used it up is named", async () => {
    const slow = (name: string, phase?: string): Component => ({
      name,
      ...(phase === undefined ? {} : { phase }),
      start: () => new Promise((resolve) => setTimeout(resolve, 400)),
    });
    const hanging: Component = { name: "hanging", start: () => new Promise(() => {}) };
    const lifecycle = new Lifecycle([slow("a", "first"), slow("b", "second"), hanging], {
      logger,
      phaseDeadlineMs: 20_000,
      startDeadlineMs: 2_000,
    });
    await expect(lifecycle.start()).rejects.toThrow(/hanging did not start within 2000 ms/);
    const late = new Lifecycle([slow("a", "first"), hanging], { logger, phaseDeadlineMs: 1_500 });
    await expect(late.start()).rejects.toThrow(/hanging did not start within (\d{1,3}|1[01]\d\d) ms/);
  });
});
