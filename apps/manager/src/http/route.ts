import type { FailureCode } from "@plugboard/contract";
import type { Request } from "express";
import type { z } from "zod";
import type { Principal, Role } from "../domain/access.ts";

export type Method = "get" | "put" | "post" | "patch" | "delete";

/** Chapters of the API's description. */
type Tag = "plugins" | "teams" | "gateway" | "platform";

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

/** What a stranger needs to know of a route. */
interface RouteDescription {
  readonly method: Method;
  /** As OpenAPI writes it: `/v1/plugins/{plugin}`. */
  readonly path: string;
  /** Unique; what generated clients call it. */
  readonly operationId: string;
  readonly tag: Tag;
  readonly summary: string;
  /** What the summary leaves out, in full sentences. */
  readonly description?: string;
  /** Failures that are this route's own, beside those that any route may answer. */
  readonly failures?: readonly FailureCode[];
  /** Beside an admin, who may use every route. For plugin and team: with their own id only. */
  readonly roles: readonly Role[];
  /** Status → schema of the body. Failures are problem documents, see contract/failure.ts. */
  readonly answers: Readonly<Record<number, z.ZodType>>;
}

/**
 * One route, declared once: how it is called, by whom, with what, and what it answers. The server and the API's
 * description (openapi-document.ts) are both built from these.
 */
export interface Route extends RouteDescription {
  readonly params: z.ZodObject;
  readonly query: z.ZodObject;
  /** Absent: the route takes no body. */
  readonly body?: z.ZodType;
  readonly bodyBytesMax: number;
  readonly handle: (input: RouteInput<unknown, unknown, unknown>) => Promise<RouteAnswer>;
}

/** Bodies of routes that say nothing else, bytes. */
const BODY_BYTES_USUAL = 64 * 1024;

/** Declares a route; its handler gets what its schemas say. */
export function route<Params extends z.ZodObject, Query extends z.ZodObject, Body extends z.ZodType = z.ZodUndefined>(
  declaration: RouteDescription & {
    readonly params: Params;
    readonly query: Query;
    readonly body?: Body;
    readonly bodyBytesMax?: number;
    readonly handle: (input: RouteInput<z.output<Params>, z.output<Query>, z.output<Body>>) => Promise<RouteAnswer>;
  },
): Route {
  return { bodyBytesMax: BODY_BYTES_USUAL, ...declaration, handle: declaration.handle as Route["handle"] };
}
