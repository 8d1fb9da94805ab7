import { DEAD_LETTER_HEADER, DELIVERY_HEADER, type DeliveryRecord } from "@plugboard/contract";
import { must } from "../nonconformance.ts";
import { ATTEMPTS_MAX } from "../process-environment.ts";
import { newTeam } from "../response-ids.ts";
import type { Stage } from "../stage.ts";
import type { StagedResponse } from "../staged-records.ts";
import type { ReadRecord } from "../topic-follower.ts";

/** What goes on failing, and what the vendor or the plugin refuses, becomes a dead letter with its history. */
export async function deadLetter(stage: Stage): Promise<void> {
  const { rejected } = stage.plugin;
  must(
    stage.hasVendor || rejected !== undefined,
    "the description has neither a vendor nor an event that is rejected: give one, or say why in notApplicable",
  );
  if (stage.hasVendor) {
    const team = await stage.team("dead-letter");
    stage.vendor.behave(team, "not-now");
    await isBuried(stage, stage.response(team), {}, "failed", ATTEMPTS_MAX);
  }
  if (stage.hasVendor && stage.vendor.canRefuse) {
    const team = await stage.team("dead-letter");
    stage.vendor.behave(team, "refused");
    await isBuried(stage, stage.response(team), {}, "rejected", 1);
  }
  if (rejected !== undefined) {
    const team = await stage.team("dead-letter");
    const response = stage.response(team);
    await isBuried(stage, response, rejected(response.id, team), "rejected", 1);
  }
}

async function isBuried(
  stage: Stage,
  response: StagedResponse,
  own: Parameters<Stage["route"]>[1],
  reason: "failed" | "rejected",
  attempts: number,
): Promise<void> {
  const what = reason === "failed" ? "a delivery that goes on failing" : "a delivery that is refused";
  const id = await stage.route(response, own);
  const letter = await findLetter(stage, what, ({ header }) => header(DELIVERY_HEADER.id) === id);
  const told = await stage.outcome(id, [reason], what);
  mustSay(what, letter, { [DEAD_LETTER_HEADER.reason]: reason, [DEAD_LETTER_HEADER.attempts]: String(attempts) });
  const history = historyOf(letter);
  const counted = history?.map(({ attempt }) => attempt);
  const expected = Array.from({ length: attempts }, (_, index) => index + 1);
  must(
    JSON.stringify(counted) === JSON.stringify(expected) &&
      history?.every(({ at, reason: why }) => !!at && !!why) === true,
    `the dead letter of ${what} has to have each failed attempt in ${DEAD_LETTER_HEADER.history}: ${letter.header(DEAD_LETTER_HEADER.history)}`,
  );
  mustBeAsRouted(stage, id, what, letter, told);
}

/** A record that is no event becomes a dead letter as well, and what is behind it goes on. */
export async function notAnEvent(stage: Stage): Promise<void> {
  const team = await stage.team("not-an-event");
  const key = newTeam("not-an-event");
  await stage.routeRaw({ key, value: "{ this is no JSON" });
  await stage.outcome(
    await stage.route(stage.response(team)),
    ["delivered"],
    "a delivery behind a record that is no event",
  );
  const letter = await findLetter(stage, "a record that is no event", (one) => one.key === key);
  mustSay("a record that is no event", letter, {
    [DEAD_LETTER_HEADER.reason]: "not-json",
    [DEAD_LETTER_HEADER.attempts]: "0",
  });
  must(letter.value === "{ this is no JSON", "the value of a dead letter has to be as it was read");
}

/** The topic is the plugin's to create. */
async function findLetter(stage: Stage, what: string, is: (record: ReadRecord) => boolean): Promise<ReadRecord> {
  const topic = stage.topics.deadLetter;
  return await stage.eventually(`${what} left no dead letter in ${topic}`, async () => {
    if (!(await stage.admin.listTopics()).includes(topic)) return undefined;
    const { records } = await stage.follow(topic);
    return records.find(is);
  });
}

function mustSay(what: string, { header }: ReadRecord, expected: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(expected))
    must(header(name) === value, `the dead letter of ${what} has ${name} ${header(name)}, not ${value}`);
  for (const name of [DEAD_LETTER_HEADER.detail, DEAD_LETTER_HEADER.at, DEAD_LETTER_HEADER.origin])
    must(!!header(name), `the dead letter of ${what} has no ${name}`);
}

function historyOf({ header }: ReadRecord): { attempt?: unknown; at?: unknown; reason?: unknown }[] | null {
  try {
    const history = JSON.parse(header(DEAD_LETTER_HEADER.history) ?? "");
    return Array.isArray(history) ? history : null;
  } catch {
    return null;
  }
}

function mustBeAsRouted(stage: Stage, id: string, what: string, letter: ReadRecord, told: DeliveryRecord): void {
  const routed = stage.routed.get(id);
  must(
    letter.key === routed?.key && letter.value === routed.value,
    `key and value of a dead letter have to be as they were read; of ${what} they are not`,
  );
  const changed = Object.entries(routed.headers).filter(([name, value]) => letter.header(name) !== value);
  must(
    changed.length === 0,
    `the dead letter of ${what} lost headers that were read: ${changed.map(([name]) => name).join(", ")}`,
  );
  must(!!told.reason, `the outcome ${told.outcome} has to have a reason`);
}
