import { afterEach, describe, expect, test } from "@jest/globals";
import { Failure } from "@plugboard/contract";
import { createLogger, createRegistry, type SafetyFinding, StartSafety, systemClock } from "../src/index.ts";

const unsafe = (where: string): SafetyFinding => ({ grade: "unsafe", where, what: "it forgets", remedy: "do not" });
const risk: SafetyFinding = { grade: "risk", where: "Kafka", what: "one broker", remedy: "three" };

describe("settings that would lose data", () => {
  const started: StartSafety[] = [];
  const registry = () => createRegistry({ defaultMetrics: false });
  afterEach(() => Promise.all(started.splice(0).map((safety) => safety.stop())));

  function safetyOf(allowUnsafe: boolean, metrics = registry()): StartSafety {
    const safety = new StartSafety({
      allowUnsafe,
      answerMsMax: 50,
      registry: metrics,
      logger: createLogger("test", "silent"),
      clock: { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(5, signal) },
    });
    started.push(safety);
    return safety;
  }
  const answering = (...findings: SafetyFinding[]) => ({ where: findings[0]?.where ?? "", ask: async () => findings });

  test("keep a process from starting, all of them named at once, of all who were asked", async () => {
    const refusal = await safetyOf(false)
      .check([answering(unsafe("Redis")), answering(risk, unsafe("topic responses"), unsafe("topic deliveries"))])
      .catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(Failure);
    expect(refusal).toMatchObject({
      code: "unsafe-settings",
      problems: ["Redis", "topic responses", "topic deliveries"].map((path) => ({
        path,
        message: "it forgets. Correct it: do not",
      })),
    });
  });

  test("do not when the operator says so; how many there are is on /metrics", async () => {
    const metrics = registry();
    const safety = safetyOf(true, metrics);
    await safety.check([answering(unsafe("Redis"), risk)]);
    expect(safety.findings).toEqual([unsafe("Redis"), risk]);
    expect(await metrics.metrics()).toMatch(/^plugboard_unsafe_settings 1$/m);
  });

  test("a risk that is the operator's to take does not either, and what cannot be told does not", async () => {
    const metrics = registry();
    await safetyOf(false, metrics).check([answering(risk, { ...risk, grade: "unchecked" })]);
    expect(await metrics.metrics()).toMatch(/^plugboard_unsafe_settings 0$/m);
  });

  test("who does not answer holds nothing up, is asked again, and a late answer ends the process", async () => {
    let asked = 0;
    const silent = {
      where: "Redis",
      ask: async (signal: AbortSignal) => {
        asked += 1;
        if (asked === 1)
          await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        if (asked === 2) throw new Error("not there");
        return [unsafe("Redis")];
      },
    };
    const safety = safetyOf(false);
    await safety.check([silent]);
    await expect(safety.broken).rejects.toMatchObject({ code: "unsafe-settings" });
    expect(asked).toBe(3);
  });
});
