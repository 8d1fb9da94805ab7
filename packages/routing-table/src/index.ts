export * from "./domain/compile-filter.ts";
export * from "./domain/decide-route.ts";
export * from "./routing-table.ts";
