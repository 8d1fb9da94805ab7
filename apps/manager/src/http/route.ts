import type { Request } from "express";
import type { z } from "zod";
import type { Principal, Role } from "../domain/access.ts";

export type Method = "get" | "put" | "post" | "patch" | "delete";

/** Query parameters and bodies a route takes; the path's are always checked by the ids' own schemas. */
export interface RouteInput<Path, Query, Body> {
  readonly path: Path;
  readonly query: Query;
  readonly body: Body;
  readonly principal: Principal;
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal;
  readonly request: Request;
}

/** What a handler answers: one of the statuses its route declares. */
export interface RouteAnswer {
  readonly status: number;
  readonly body?: unknown;
}

/**
 * One route, declared once: how it is called, by whom, with what, and what it answers. The server is built from these,
 * and so can a description of the API be.
 */
export interface Route {
  readonly method: Method;
  /** As OpenAPI writes it: `/v1/plugins/{plugin}`. */
  readonly path: string;
  readonly summary: string;
  /** Beside an admin, who may use every route. For plugin and team: with their own id only. */
  readonly roles: readonly Role[];
  readonly params: z.ZodType;
  readonly query: z.ZodType;
  /** Absent: the route takes no body. */
  readonly body?: z.ZodType;
  readonly bodyBytesMax: number;
  /** Status → schema of the body; null where there is none. Failures are problem documents, see contract/failure.ts. */
  readonly answers: Readonly<Record<number, z.ZodType | null>>;
  readonly handle: (input: RouteInput<unknown, unknown, unknown>) => Promise<RouteAnswer>;
}

/** Bodies of routes that say nothing else, bytes. */
const BODY_BYTES_USUAL = 64 * 1024;

/** Declares a route; its handler gets what its schemas say. */
export function route<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType = z.ZodUndefined,
>(declaration: {
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly roles: readonly Role[];
  readonly params: Params;
  readonly query: Query;
  readonly body?: Body;
  readonly bodyBytesMax?: number;
  readonly answers: Readonly<Record<number, z.ZodType | null>>;
  readonly handle: (input: RouteInput<z.output<Params>, z.output<Query>, z.output<Body>>) => Promise<RouteAnswer>;
}): Route {
  return { bodyBytesMax: BODY_BYTES_USUAL, ...declaration, handle: declaration.handle as Route["handle"] };
}
