import { join } from "node:path";
import { Failure } from "@plugboard/contract";
import { validInput } from "@plugboard/runtime";
import express, { type ErrorRequestHandler, type Request, type RequestHandler, type Router } from "express";
import { Liquid } from "liquidjs";
import { type Form, idSchema } from "../domain/form.ts";
import {
  existingForm,
  flatEventOf,
  noResponse,
  otherRevision,
  prepareCorrection,
} from "../domain/prepare-submission.ts";
import { correctionSchema } from "../domain/submission.ts";
import { correctedAnswers, questionRows } from "./correction-form.ts";
import type { SubmissionRoutesOptions } from "./submission-routes.ts";
import { validSubmission } from "./valid-submission.ts";

const PAGE = { after: null, limit: 25 };
/** Forms shown on the first page. */
const FORMS_SHOWN = { after: null, limit: 100 };
/** Fields of a correction, and its bytes: the fields shown at once, with long texts. */
const FIELDS_MAX = 500;
const FORM_BYTES_MAX = 1024 * 1024;
/** Beside this file's directory both in src/ and in dist/. */
const VIEWS = join(import.meta.dirname, "../../views");

/** Pages for people, without JavaScript. Every value is escaped by the template engine unless a template says otherwise. */
export function pageRoutes(options: SubmissionRoutesOptions): Router {
  const { forms, responses, plugboard, stored, metrics } = options;
  const liquid = new Liquid({ root: VIEWS, extname: ".liquid", outputEscape: "escape", cache: true });
  const router = express.Router();

  router.get("/", async (request, response) => {
    const flagged = request.query.flagged === "true";
    const [list, latest] = await Promise.all([
      forms.list(FORMS_SHOWN),
      responses.list({ formId: null, flagged }, PAGE),
    ]);
    const model = { title: "Forms and responses", forms: list.items, responses: latest.items, flagged };
    response.type("html").send(await liquid.renderFile("home", model));
  });

  router.get("/pages/responses/:response", async (request, response) => {
    const id = validInput(idSchema, request.params.response, "path");
    const detail = await responses.detail(id);
    if (detail === null) throw noResponse(id);
    const form = await existingForm(forms, detail.formId);
    const open = detail.flags.filter(({ state }) => state === "open");
    const earlier = detail.flags.filter(({ state }) => state !== "open");
    const [current] = detail.revisions;
    const rows = questionRows(form, current?.answers ?? {}, open);
    const model = { title: form.title, response: detail, form, open, earlier, sync: current?.sync ?? null, ...rows };
    response.type("html").send(await liquid.renderFile("response", model));
  });

  const fields = express.urlencoded({ extended: false, limit: FORM_BYTES_MAX, parameterLimit: FIELDS_MAX });
  router.post("/pages/responses/:response", sameOrigin, formOnly, fields, async (request, response) => {
    const id = validInput(idSchema, request.params.response, "path");
    const detail = await responses.detail(id);
    if (detail === null) throw noResponse(id);
    const check = (form: Form) => {
      const corrected = correctedAnswers(form, detail.revisions[0]?.answers ?? {}, request.body ?? {});
      return validSubmission(correctionSchema, form, corrected);
    };
    const prepared = await prepareCorrection(options, id, check, new Date().toISOString());
    const { verdict, refusal } = await plugboard.decide(flatEventOf(prepared));
    if (refusal !== null) throw refusal;
    if (!(await responses.revise({ ...prepared, sync: verdict }))) throw otherRevision(prepared.revision - 1);
    stored();
    metrics.submissions.inc({ outcome: "revised" });
    response.redirect(303, `/pages/responses/${encodeURIComponent(id)}`);
  });

  router.use(errorPage(liquid));
  return router;
}

/** A page of another site must not correct responses through its visitor's browser. */
const sameOrigin: RequestHandler = (request, _response, next) => {
  const origin = request.header("origin");
  if (origin === undefined || originHost(origin) === request.header("host")) return next();
  next(new Failure("forbidden", "the correction does not come from this site"));
};

/** Anything else would be read as a correction that changes nothing. */
const formOnly: RequestHandler = (request, _response, next) => {
  if (request.is("application/x-www-form-urlencoded")) return next();
  next(new Failure("unsupported-media-type", "a correction is sent as application/x-www-form-urlencoded"));
};

function originHost(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}

/** Failures of a page as a page; all else is for the app's own handler. */
function errorPage(liquid: Liquid): ErrorRequestHandler {
  return async (error: unknown, request: Request, response, next) => {
    if (!(error instanceof Failure)) return next(error);
    const { status, message, problems } = error;
    const back = request.method === "POST" ? request.path : "/";
    const page = await liquid.renderFile("problem", { title: "That did not work", message, problems, back });
    response.status(status).type("html").send(page);
  };
}
