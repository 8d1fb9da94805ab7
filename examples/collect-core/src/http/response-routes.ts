import { validInput } from "@plugboard/runtime";
import express, { type Router } from "express";
import { idSchema } from "../domain/form.ts";
import type { Flags, Responses } from "../domain/ports.ts";
import { noResponse } from "../domain/prepare-submission.ts";
import { collectorSchema } from "../domain/submission.ts";
import { pageSchema } from "./form-routes.ts";

const flagsQuery = pageSchema.extend({ collector: collectorSchema });

/** Reading responses, and the flags that wait for a collector. */
export function responseRoutes(responses: Responses, flags: Flags): Router {
  const router = express.Router();

  router.get("/responses/:response", async (request, response) => {
    const id = validInput(idSchema, request.params.response, "path");
    const detail = await responses.detail(id);
    if (detail === null) throw noResponse(id);
    response.json(detail);
  });

  router.get("/flags", async (request, response) => {
    const { collector, ...page } = validInput(flagsQuery, request.query, "query");
    response.json(await flags.ofCollector(collector, page));
  });

  return router;
}
