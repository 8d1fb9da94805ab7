import { randomUUID } from "node:crypto";
import { Failure } from "@plugboard/contract";
import { jsonBody, validInput } from "@plugboard/runtime";
import express, { type Response, type Router } from "express";
import { z } from "zod";
import { type FormBody, formBodySchema, idSchema, newFormSchema } from "../domain/form.ts";
import type { Forms, PageRequest, Responses } from "../domain/ports.ts";
import { existingForm } from "../domain/prepare-submission.ts";

/** `?after=&limit=` of every listing. */
export const pageSchema = z.object({
  after: z
    .string()
    .regex(/^\d{1,18}$/, "must be the `next` of the page before")
    .nullable()
    .default(null),
  limit: z.coerce.number().int().min(1).max(500).default(50),
}) satisfies z.ZodType<PageRequest>;

const responsesQuery = pageSchema.extend({
  flagged: z
    .enum(["true", "false"])
    .default("false")
    .transform((value) => value === "true"),
});

/** Forms and the listing of their responses. `stored` is called when the outbox has work. */
export function formRoutes(forms: Forms, responses: Responses, stored: () => void): Router {
  const router = express.Router();

  const put = async (id: string, body: FormBody, response: Response) => {
    const outcome = await forms.put(id, body);
    if (outcome === "wrong-team") {
      const problems = [{ path: "/team", message: "a form stays with its team" }];
      throw new Failure("invalid-input", "body: 1 problem", { problems });
    }
    stored();
    const { team, title, questions } = body;
    response.status(outcome === "created" ? 201 : 200).location(`/forms/${encodeURIComponent(id)}`);
    response.json({ id, team, title, questions: questions.length });
  };

  router.post("/forms", ...jsonBody(), async (request, response) => {
    const { id = randomUUID(), ...body } = validInput(newFormSchema, request.body ?? {}, "body");
    if ((await forms.find(id)) !== null)
      throw new Failure("conflict", `there is a form ${id} already; PUT replaces it`);
    await put(id, body, response);
  });

  router.put("/forms/:form", ...jsonBody(), async (request, response) => {
    const id = validInput(idSchema, request.params.form, "path");
    await put(id, validInput(formBodySchema, request.body ?? {}, "body"), response);
  });

  router.get("/forms", async (request, response) => {
    response.json(await forms.list(validInput(pageSchema, request.query, "query")));
  });

  router.get("/forms/:form", async (request, response) => {
    const form = await existingForm(forms, validInput(idSchema, request.params.form, "path"));
    const { id, team, title, questions } = form;
    response.json({ id, team, title, questions });
  });

  router.get("/forms/:form/responses", async (request, response) => {
    const formId = validInput(idSchema, request.params.form, "path");
    const { flagged, ...page } = validInput(responsesQuery, request.query, "query");
    await existingForm(forms, formId);
    response.json(await responses.list({ formId, flagged }, page));
  });

  return router;
}
