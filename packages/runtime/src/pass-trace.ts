import { AsyncLocalStorage } from "node:async_hooks";
import type { RequestHandler } from "express";

const passing = new AsyncLocalStorage<Readonly<Record<string, string>>>();
const NAMES = ["traceparent", "tracestate"];

/** Keeps the trace that a request belongs to, for the calls that are made to answer it. */
export const passTrace: RequestHandler = (request, _response, next) => {
  const given = NAMES.flatMap((name): [string, string][] => {
    const value = request.header(name);
    return value === undefined ? [] : [[name, value]];
  });
  if (given.length === 0) next();
  else passing.run(Object.fromEntries(given), next);
};

/** Headers of the trace that the request being answered belongs to, as they came; none without one. */
export function passedTrace(): Readonly<Record<string, string>> {
  return passing.getStore() ?? {};
}
