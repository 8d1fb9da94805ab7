import { Failure, type FlatEvent } from "@plugboard/contract";
import type { Form } from "./form.ts";
import { EVENT_SOURCE, eventId } from "./outbox-event.ts";
import type { Forms, IdempotencyKey, Responses } from "./ports.ts";
import type { NewRevision } from "./response.ts";
import { type Correction, eventData, type Submission } from "./submission.ts";

/** A checked submission or correction: asked about and stored next. */
export interface PreparedSubmission extends Omit<NewRevision, "sync"> {
  readonly type: "onResponse" | "onResponseUpdate";
  readonly answers: Submission["answers"];
  readonly key: IdempotencyKey | null;
}

/** What a submission is given from outside: the domain has no clock and no randomness of its own. */
export interface Circumstances {
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly newId: string;
}

/** A new response of a checked submission. @throws Failure `too-large`. */
export function prepareSubmission(
  form: Form,
  { answers, collector }: Submission,
  key: IdempotencyKey | null,
  { at, newId }: Circumstances,
): PreparedSubmission {
  const { id: formId, team } = form;
  const data = eventData(answers, collector);
  return { type: "onResponse", responseId: newId, formId, team, revision: 1, collector, data, at, answers, key };
}

/**
 * The next revision of a response.
 * @param check reads the correction once the form is known; throws when it has problems.
 * @throws Failure when there is no such response, or it has another revision by now.
 */
export async function prepareCorrection(
  stores: { readonly forms: Forms; readonly responses: Responses },
  responseId: string,
  check: (form: Form) => Correction,
  at: string,
): Promise<PreparedSubmission> {
  const current = await stores.responses.summary(responseId);
  if (current === null) throw noResponse(responseId);
  const form = await existingForm(stores.forms, current.formId);
  const { answers, collector: given, revision: read } = check(form);
  if (read !== undefined && read !== current.revision) throw otherRevision(read);
  const { formId, team } = current;
  const collector = given === undefined ? current.collector : given;
  const data = eventData(answers, collector);
  const revision = current.revision + 1;
  return { type: "onResponseUpdate", responseId, formId, team, revision, collector, data, at, answers, key: null };
}

/** The event that the sync plugins judge: the one that will be emitted, with the same id. */
export function flatEventOf(prepared: PreparedSubmission): FlatEvent {
  const { type, responseId, revision, team, formId, at, answers, collector } = prepared;
  return {
    id: eventId(responseId, revision),
    source: EVENT_SOURCE,
    team_id: team,
    event: type,
    form_id: formId,
    response_id: responseId,
    revision,
    occurred_at: at,
    data: { answers, collector },
  };
}

/** @throws Failure `not-found`. */
export async function existingForm(forms: Forms, id: string): Promise<Form> {
  const form = await forms.find(id);
  if (form === null) throw new Failure("not-found", `there is no form ${id}`);
  return form;
}

export function noResponse(id: string): Failure {
  return new Failure("not-found", `there is no response ${id}, or it was deleted`);
}

/** @param read the revision that the change was based on. */
export function otherRevision(read: number): Failure {
  return new Failure("conflict", `revision ${read} is not the response's current one any more`);
}
