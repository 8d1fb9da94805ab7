export * from "./routing-table.ts";
