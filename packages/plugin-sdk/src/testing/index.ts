export { type TestEvent, testEvent } from "./event-fixtures.ts";
export { FakeClock } from "./fake-clock.ts";
export type { Harness, TestDeadLetter, TestFlags, TestOutcome } from "./harness.ts";
export type { TestEnablement } from "./harness-enablements.ts";
export { type HarnessOptions, startHarness } from "./start-harness.ts";
