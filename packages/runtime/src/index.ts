export * from "./clock.ts";
export * from "./health.ts";
export * from "./http.ts";
export * from "./kafka-settings.ts";
export * from "./lifecycle.ts";
export * from "./logger.ts";
export * from "./metrics.ts";
export * from "./settings.ts";
