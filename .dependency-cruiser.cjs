/** Import rules; docs/ARCHITECTURE.md says why. */
const inApp = (from, to) => ({ from: { path: from }, to: { path: to } });
module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "domain-is-pure",
      severity: "error",
      ...inApp("^apps/([^/]+)/src/domain/", "^apps/[^/]+/src/(main|compose|http|pipeline|adapters)"),
    },
    {
      name: "domain-has-no-io",
      severity: "error",
      from: { path: "/src/domain/" },
      to: {
        path: "^(node:)?(fs|net|http|https|child_process|dgram|tls)(/|$)|node_modules/(express|ioredis|kafkajs|pg|@prisma|@platformatic)/",
      },
    },
    {
      name: "http-apart",
      severity: "error",
      ...inApp("^apps/([^/]+)/src/http/", "^apps/[^/]+/src/(main|compose|pipeline|adapters)"),
    },
    {
      name: "pipeline-apart",
      severity: "error",
      ...inApp("^apps/([^/]+)/src/pipeline/", "^apps/[^/]+/src/(main|compose|http|adapters)"),
    },
    {
      name: "adapters-apart",
      severity: "error",
      ...inApp("^apps/([^/]+)/src/adapters/", "^apps/[^/]+/src/(main|compose|http|pipeline)"),
    },
    {
      name: "nobody-imports-main",
      severity: "error",
      from: { pathNot: "^packages/cli/bin/" },
      to: { path: "/src/main\\.ts$" },
    },
    {
      name: "apps-know-no-apps",
      severity: "error",
      from: { path: "^(apps|plugins|examples)/([^/]+)/" },
      to: { path: "^(apps|plugins|examples)/", pathNot: "^$1/$2/" },
    },
    {
      name: "contract-stands-alone",
      severity: "error",
      from: { path: "^packages/contract/src" },
      to: { path: "^(packages/(?!contract)|apps|plugins|examples|stack)" },
    },
    {
      name: "plugins-use-the-sdk",
      severity: "error",
      from: { path: "^plugins/[^/]+/src" },
      to: { path: "^packages/(?!plugin-sdk|contract|rules)" },
    },
    {
      name: "conformance-knows-no-sdk",
      comment: "the suite holds a plugin against the protocol, whatever it is built with",
      severity: "error",
      from: { path: "^packages/plugin-sdk/src/conformance/" },
      to: { path: "^packages/plugin-sdk/src/(?!conformance/|testing/(event-fixtures|harness-database))" },
    },
    {
      name: "kafkajs-only-through-packages-kafka",
      comment: "its producer loses acknowledged records; a peer is measured as others write it",
      severity: "error",
      from: { pathNot: "^(packages/kafka|examples/emitters|bench/src/peers)/" },
      to: { path: "node_modules/kafkajs/" },
    },
    {
      name: "platformatic-only-in-the-router",
      severity: "error",
      from: { pathNot: "^(apps/router|examples/emitters|test|bench)/" },
      to: { path: "node_modules/@platformatic/kafka/" },
    },
    {
      name: "testkit-only-in-tests-and-demo",
      severity: "error",
      from: { path: "^(apps|plugins|packages)/[^/]+/src/", pathNot: "^packages/testkit/" },
      to: { path: "^(packages/testkit|stack)/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(apps|plugins|packages|examples)/[^/]+/dist/|/generated/" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["source", "import", "node"],
      extensions: [".ts", ".js"],
    },
  },
};
