export { ConformanceSuite, conformance, type TestRunner } from "./conformance.ts";
export { forwardTo } from "./forward.ts";
export { NonConformance } from "./nonconformance.ts";
export type {
  CheckName,
  EffectLook,
  PluginDescription,
  ProcessDescription,
  TeamSettingsDescription,
  VendorAnswer,
  VendorDescription,
  VendorEffect,
  VendorRequest,
} from "./plugin-description.ts";
export { CHECK_NAMES } from "./plugin-description.ts";
