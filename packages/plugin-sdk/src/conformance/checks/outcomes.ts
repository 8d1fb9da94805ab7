import { type DeliveryRecord, deliveryRecordSchema } from "@plugboard/contract";
import { must, NonConformance } from "../nonconformance.ts";
import type { Stage } from "../stage.ts";
import type { RoutedRecord } from "../staged-records.ts";
import type { ReadRecord } from "../topic-follower.ts";

/** Every outcome that it has written so far is one that others can read, and says what was routed. */
export async function outcomes(stage: Stage): Promise<void> {
  const team = await stage.team("outcomes");
  const id = await stage.route(stage.response(team));
  await stage.outcome(id, ["delivered"], "a delivery");
  const records = stage.recordsOf(stage.topics.deliveries);
  for (const record of records) {
    const outcome = readOutcome(record);
    const routed = stage.routed.get(outcome.deliveryId);
    must(routed !== undefined, `an outcome is of a delivery that was not routed: ${record.value}`);
    mustFit(stage, record, outcome, routed);
  }
}

function readOutcome({ value }: ReadRecord): DeliveryRecord {
  try {
    return deliveryRecordSchema.parse(JSON.parse(value));
  } catch (error) {
    throw new NonConformance(`an outcome cannot be read: ${(error as Error).message}: ${value}`);
  }
}

function mustFit(stage: Stage, record: ReadRecord, outcome: DeliveryRecord, { event, headers }: RoutedRecord): void {
  const expected = {
    plugin: stage.plugin.id,
    team: event.team,
    event: event.type,
    source: "core",
    eventId: event.id,
    formId: event.form,
    responseId: event.response,
    revision: event.revision,
    routeVersion: headers["pb-route-version"] ?? null,
    origin: headers["pb-origin"] ?? null,
  } as const;
  for (const [name, value] of Object.entries(expected)) {
    const said = outcome[name as keyof typeof expected];
    must(said === value, `an outcome says ${name} ${JSON.stringify(said)} where ${JSON.stringify(value)} was routed`);
  }
  const key = event.response ?? event.id;
  must(record.key === key, `an outcome's key is ${record.key}, not the response ${key}`);
  const added = { "content-type": "application/json", "pb-plugin": stage.plugin.id, "pb-team": event.team };
  for (const [name, value] of Object.entries(added))
    must(record.header(name) === value, `an outcome's header ${name} is ${record.header(name)}, not ${value}`);
}
