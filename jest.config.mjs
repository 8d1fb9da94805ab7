/** Take minutes of both cores, and find again, or under another seed, what they find: run when they are named. */
const ALONE = ["broken-rules", "short-plugin-chaos"];

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
    ...ALONE.filter((name) => !process.argv.some((argument) => argument.includes(name))),
  ],
  modulePathIgnorePatterns: ["/dist/"],
  testTimeout: 60_000,
};
