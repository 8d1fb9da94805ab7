export * from "./define-plugin.ts";
export * from "./outcome.ts";
export { secret } from "./secret.ts";
