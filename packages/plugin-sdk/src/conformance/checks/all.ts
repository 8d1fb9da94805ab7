import type { CheckName } from "../plugin-description.ts";
import type { Stage } from "../stage.ts";
import { crashAfterEffect, crashBeforeEffect } from "./crash.ts";
import { deadLetter, notAnEvent } from "./dead-letter.ts";
import { disabled } from "./disabled.ts";
import { drain } from "./drain.ts";
import { duplicate } from "./duplicate.ts";
import { lanes } from "./lanes.ts";
import { metadata } from "./metadata.ts";
import { outcomes } from "./outcomes.ts";
import { registration } from "./registration.ts";
import { retry } from "./retry.ts";
import { revisionFence } from "./revision-fence.ts";
import { secrets } from "./secrets.ts";
import { settingsRefusal } from "./settings-refusal.ts";
import { signature } from "./signature.ts";
import { slowTeam } from "./slow-team.ts";

/** One check: named in descriptions, and said in the titles of tests. */
export interface Check {
  readonly title: string;
  /** @throws NonConformance, which says what the plugin did wrong. */
  readonly run: (stage: Stage) => Promise<void>;
}

export const CHECKS: Readonly<Record<CheckName, Check>> = {
  registration: {
    title: "it registers as the contract says, sends heartbeats, and registers again when it was forgotten",
    run: registration,
  },
  metadata: { title: "what it says of itself is what it registered", run: metadata },
  signature: {
    title: "calls that the manager did not sign, or long ago, change nothing; nor does a replay",
    run: signature,
  },
  "settings-refusal": {
    title: "wrong settings are refused with reasons and nothing is handled with them; older ones replace no newer",
    run: settingsRefusal,
  },
  disabled: { title: "what is in the topic when a team switches the plugin off has no effect", run: disabled },
  duplicate: { title: "copies of a delivery have no effect", run: duplicate },
  lanes: { title: "all lanes are read, each in a group of its own, and committed", run: lanes },
  "revision-fence": {
    title: "an older revision behind a newer one is handled as the plugin declares",
    run: revisionFence,
  },
  retry: { title: "what fails for now is tried again, and told", run: retry },
  "dead-letter": {
    title: "what goes on failing, and what is refused, becomes a dead letter with its history",
    run: deadLetter,
  },
  "not-an-event": { title: "a record that is no event becomes a dead letter and holds nothing up", run: notAnEvent },
  "slow-team": { title: "a team whose vendor does not answer holds up no other, and loses nothing", run: slowTeam },
  outcomes: { title: "every outcome can be read, and says what was routed", run: outcomes },
  drain: { title: "on SIGTERM it finishes what it has begun, takes its leave, and loses nothing", run: drain },
  "crash-before-effect": { title: "killed before an effect, it loses nothing", run: crashBeforeEffect },
  "crash-after-effect": {
    title: "killed between an effect and its record, it does what it promises",
    run: crashAfterEffect,
  },
  secrets: { title: "no secret stands in its output", run: secrets },
};
