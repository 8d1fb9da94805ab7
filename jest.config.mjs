/** Takes minutes of both cores, and finds again what it has found: run when it is named. */
const ALONE = "broken-rules";

/** One jest run for the whole repository; `npm test -- <path>` narrows it. The stack is brought up around it (stack/). */
export default {
  testEnvironment: "node",
  testEnvironmentOptions: { customExportConditions: ["source", "node", "node-addons"] },
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      { jsc: { parser: { syntax: "typescript" }, target: "es2024" }, module: { type: "es6" } },
    ],
  },
  testMatch: ["<rootDir>/**/test/**/*.test.ts"],
  // The template's test runs in the plugins that are made of it.
  testPathIgnorePatterns: [
    "/node_modules/",
    "/dist/",
    "<rootDir>/tools/plugin-template/",
    ...(process.argv.some((argument) => argument.includes(ALONE)) ? [] : [ALONE]),
  ],
  modulePathIgnorePatterns: ["/dist/"],
  testTimeout: 60_000,
};
