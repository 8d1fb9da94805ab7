import { createHash, randomUUID } from "node:crypto";
import { Failure } from "@plugboard/contract";
import { validInput } from "@plugboard/runtime";
import express, { type Request, type RequestHandler, type Response, type Router } from "express";
import { type Form, idSchema } from "../domain/form.ts";
import type { Forms, IdempotencyKey, Responses } from "../domain/ports.ts";
import {
  existingForm,
  flatEventOf,
  noResponse,
  otherRevision,
  type PreparedSubmission,
  prepareCorrection,
  prepareSubmission,
} from "../domain/prepare-submission.ts";
import { correctionSchema, idempotencyKeySchema, submissionSchema } from "../domain/submission.ts";
import type { CoreMetrics } from "../metrics.ts";
import type { PlugboardSync, SyncVerdict } from "../plugboard-sync.ts";
import { validSubmission } from "./valid-submission.ts";

export interface SubmissionRoutesOptions {
  readonly forms: Forms;
  readonly responses: Responses;
  readonly plugboard: PlugboardSync;
  /** Called after something was stored: the outbox has work. */
  readonly stored: () => void;
  readonly metrics: CoreMetrics;
}

/**
 * Submit, correct, delete. The order is: check everything, recognise a repetition, ask the sync plugins, store.
 * Nothing is stored before everything has been checked, and storing is one statement.
 */
export function submissionRoutes(options: SubmissionRoutesOptions): Router {
  const { forms, responses, plugboard, stored, metrics } = options;
  const router = express.Router();
  const eventOf = (_request: Request, response: Response) => flatEventOf(preparedOf(response));

  const newSubmission: RequestHandler = async (request, response, next) => {
    const form = await existingForm(forms, validInput(idSchema, request.params.form, "path"));
    const submission = validSubmission(submissionSchema, form, request.body);
    const key = keyOf(request);
    if (key !== null && (await answeredBefore(responses, form.id, key, response))) return;
    const circumstances = { at: new Date().toISOString(), newId: randomUUID() };
    response.locals.prepared = prepareSubmission(form, submission, key, circumstances);
    next();
  };

  const correction: RequestHandler = async (request, response, next) => {
    const id = validInput(idSchema, request.params.response, "path");
    const check = (form: Form) => validSubmission(correctionSchema, form, request.body);
    response.locals.prepared = await prepareCorrection(options, id, check, new Date().toISOString());
    next();
  };

  const store: RequestHandler = async (_request, response) => {
    const prepared = preparedOf(response);
    const { type, key, responseId: id, formId, team, revision } = prepared;
    const withVerdict = { ...prepared, sync: response.locals.plugboard as SyncVerdict };
    const isNew = type === "onResponse";
    if (!(isNew ? await responses.insert(withVerdict, key) : await responses.revise(withVerdict))) {
      if (key !== null && (await answeredBefore(responses, formId, key, response))) return;
      throw otherRevision(revision - 1);
    }
    stored();
    metrics.submissions.inc({ outcome: isNew ? "stored" : "revised" });
    response.status(isNew ? 201 : 200).location(`/responses/${id}`);
    response.json({ id, form: formId, team, revision });
  };

  router.post("/forms/:form/submit", newSubmission, plugboard.sync(eventOf), store);
  router.put("/responses/:response", correction, plugboard.sync(eventOf), store);

  router.delete("/responses/:response", async (request, response) => {
    const id = validInput(idSchema, request.params.response, "path");
    const current = await responses.summary(id);
    if (current === null) throw noResponse(id);
    const removed = await responses.remove(id, current.revision + 1, new Date().toISOString());
    if (!removed) throw otherRevision(current.revision);
    stored();
    metrics.submissions.inc({ outcome: "deleted" });
    response.status(204).end();
  });

  return router;
}

function preparedOf(response: Response): PreparedSubmission {
  return response.locals.prepared as PreparedSubmission;
}

/** The key with what it stands for: the same key with another body is a mistake of the client's. */
function keyOf(request: Request): IdempotencyKey | null {
  const given = request.header("idempotency-key");
  if (given === undefined) return null;
  const key = validInput(idempotencyKeySchema, given, "header Idempotency-Key");
  const body = JSON.stringify(request.body ?? {});
  return { key, fingerprint: createHash("sha256").update(body).digest("base64") };
}

/** Answers a repetition with the response that its key stands for; nothing is stored or asked again. */
async function answeredBefore(
  responses: Responses,
  formId: string,
  { key, fingerprint }: IdempotencyKey,
  response: Response,
): Promise<boolean> {
  const before = await responses.findByKey(formId, key);
  if (before === null) return false;
  if (before.fingerprint !== fingerprint) {
    throw new Failure("invalid-input", "this Idempotency-Key was used before, with another body");
  }
  const detail = await responses.detail(before.responseId);
  if (detail === null) throw noResponse(before.responseId);
  const { id, formId: form, team, revisions } = detail;
  response.location(`/responses/${id}`);
  response.json({ id, form, team, revision: 1, repeated: true, plugboard: revisions.at(-1)?.sync ?? null });
  return true;
}
