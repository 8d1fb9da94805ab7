import { setTimeout as sleep } from "node:timers/promises";
import { must } from "../nonconformance.ts";
import type { Stage } from "../stage.ts";

const QUEUED = 10;
/** So that the signal is there before the vendor's answer; nothing depends on it. */
const BETWEEN_MS = 200;

/** On SIGTERM it finishes what it has begun, says goodbye, leaves its group and ends with 0; the next process does the rest. */
export async function drain(stage: Stage): Promise<void> {
  const team = await stage.team("drain");
  const process = await stage.running();
  if (stage.hasVendor) stage.vendor.behave(team, "held", 1);
  const responses = Array.from({ length: QUEUED + 1 }, () => stage.response(team));
  const ids: string[] = [];
  for (const response of responses) {
    ids.push(await stage.route(response));
    if (ids.length === 1 && stage.hasVendor)
      await stage.eventually("the vendor was not called for a delivery", () => stage.vendor.hasHeld(team) || undefined);
  }
  const goodbyes = stage.manager.goodbyes.length;
  process.signal("SIGTERM");
  await sleep(BETWEEN_MS);
  if (stage.hasVendor) stage.vendor.release(team);
  await stage.eventually("it did not end after SIGTERM", () => (process.isRunning ? undefined : true));
  const status = await process.exited;
  must(status === 0, `it ended with ${status ?? "a signal"} after SIGTERM, not with 0`);
  must(
    stage.manager.goodbyes.length > goodbyes,
    "it did not say goodbye before it ended: DELETE /v1/plugins/{plugin}/instances/{instance}",
  );
  const { groups } = await stage.admin.describeGroups([stage.group]);
  must(
    groups[0]?.members.length === 0,
    "it did not leave its consumer group: others wait for its partitions until its session ends",
  );
  await stage.running();
  for (const [index, id] of ids.entries()) {
    const what =
      index === 0 && stage.hasVendor ? "a delivery under way at SIGTERM" : "a delivery that waited at SIGTERM";
    await stage.outcome(id, ["delivered"], what);
    const effects = await stage.effects(responses[index]?.id ?? "");
    must(effects === 1, `${what} had its effect ${effects} times`);
  }
}
