import { describe, expect, test } from "@jest/globals";
import { startProcess } from "../src/start-process.ts";

const entry = "stack/test/fixtures/speak-and-wait.ts";

describe("a process of the project", () => {
  test("gets its environment and arguments, and what it says is kept", async () => {
    const child = await startProcess({ entry, args: ["twice"], env: { GREETING: "you" }, name: "speaker" });
    await child.waitForLog(/hello you twice/, 20_000);
    expect(child.logs()).toContain("hello you twice\n");
    await child.kill();
    expect(await child.exited).toBe(7);
    expect(child.logs()).toContain("draining");
  });

  test("is killed without a drain by SIGKILL", async () => {
    const child = await startProcess({ entry, env: { GREETING: "x" }, name: "speaker" });
    await child.waitForLog(/hello x/, 20_000);
    await child.kill("SIGKILL");
    expect(await child.exited).toBeNull();
    expect(child.logs()).not.toContain("draining");
  });

  test("that ends before it says what is waited for is reported with its output", async () => {
    const child = await startProcess({ entry, env: { GREETING: "x", END: "soon" }, name: "speaker" });
    await expect(child.waitForLog(/never/, 20_000)).rejects.toThrow(/speaker ended; its output:\nhello x/);
    expect(await child.exited).toBe(3);
  });
});
