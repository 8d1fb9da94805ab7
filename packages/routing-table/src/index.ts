export type { ExplainedEvaluation } from "@plugboard/rules";
export * from "./adapters/manager-routes.ts";
export * from "./adapters/routing-redis.ts";
export * from "./create-routing-table.ts";
export * from "./domain/compile-filter.ts";
export * from "./domain/decide-route.ts";
export * from "./domain/explain-route.ts";
export type { FetchRoutes } from "./domain/ports.ts";
export * from "./routing-table.ts";
