export { type TestEvent, testEvent } from "./event-fixtures.ts";
export { FakeClock } from "./fake-clock.ts";
export type { Harness, TestDeadLetter, TestFlags, TestOutcome } from "./harness.ts";
export { type HarnessOptions, startHarness } from "./start-harness.ts";
