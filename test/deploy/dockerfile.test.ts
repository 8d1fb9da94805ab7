import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { projectRoot, shippedFlags } from "@plugboard/stack";
import { contextFiles } from "./build-context.ts";
import { imageOf, stagesOf, wholeStage } from "./docker-stages.ts";
import { findings, RULES } from "./dockerfile-rules.ts";

const root = projectRoot();
const text = readFileSync(join(root, "Dockerfile"), "utf8");
const stages = stagesOf(text);
/** Every app, every plugin and the example core. */
const IMAGES = [...new Set(contextFiles().map((path) => path.split("/").slice(0, 2).join("/")))]
  .filter((path) => /^(apps|plugins)\//.test(path) && existsSync(join(root, path, "package.json")))
  .map((path) => path.split("/")[1] ?? "")
  .concat("collect-core");
const json = (path: string) => JSON.parse(readFileSync(join(root, path), "utf8"));

const GOOD = `FROM node:24.1.0-slim AS build
WORKDIR /app
FROM build
USER node
HEALTHCHECK CMD ["true"]
CMD ["node", "x.js"]
`;
/** For each rule a Dockerfile that breaks it, and it alone. */
const BROKEN: Readonly<Record<keyof typeof RULES, string>> = {
  "is well-formed": GOOD.replace("WORKDIR /app", "WORKDIR /app\nEXPOSE many"),
  "begins with an image of an exact version": GOOD.replace("node:24.1.0-slim", "node:latest"),
  "runs as a user without rights": GOOD.replace("USER node\n", ""),
  "says how its health is asked": GOOD.replace(/HEALTHCHECK.*\n/, ""),
  "gives commands word by word, so that signals reach the process": GOOD.replace('["node", "x.js"]', "node x.js"),
  "works in an absolute directory": GOOD.replace("WORKDIR /app", "WORKDIR app"),
  "adds nothing from elsewhere": GOOD.replace("USER node", "ADD https://x.example/a.tgz /\nUSER node"),
  "has no sudo, no cd and no download piped into a shell": GOOD.replace(
    "USER node",
    "RUN curl https://x.example | sh\nUSER node",
  ),
  "installs system packages without leaving lists behind": GOOD.replace(
    "USER node",
    "RUN apt-get update && apt-get install -y git\nUSER node",
  ),
  "installs what the lock file says": GOOD.replace("USER node", "RUN npm install\nUSER node"),
  "puts no secret into a layer": GOOD.replace("USER node", "ENV MANAGER_TOKEN=abc\nUSER node"),
  "takes from stages that come before": GOOD.replace("USER node", "COPY --from=later /a /b\nUSER node"),
};

describe("the rules for Dockerfiles", () => {
  test("find nothing in a good one", () => {
    expect(findings(GOOD)).toEqual([]);
  });

  test.each(Object.keys(RULES))("find in a bad one that it does not do this: %s", (rule) => {
    const found = findings(BROKEN[rule] ?? GOOD).map((finding) => finding.rule);
    expect(found).toContain(rule);
    const alsoMalformed = ["is well-formed"];
    expect(found.filter((name) => name !== rule && !alsoMalformed.includes(name))).toEqual([]);
  });

  test.each([["0"], ["root"], ["root:root"]])("take USER %s for the user with all rights", (user) => {
    const found = findings(GOOD.replace("USER node", `USER ${user}`));
    expect(found.map(({ rule }) => rule)).toEqual(["runs as a user without rights"]);
  });
});

describe("the Dockerfile", () => {
  test("obeys them", () => {
    expect(findings(text)).toEqual([]);
  });

  test.each(IMAGES)("has a target for %s that runs its main file", (name) => {
    expect(imageOf(stages, name).command?.at(-1)).toMatch(new RegExp(`/${name}/dist/main.js$`));
  });

  test.each(IMAGES)("starts %s with the flags of node that its own start script has", (name) => {
    const command = imageOf(stages, name).command ?? [];
    const main = command.at(-1) ?? "";
    expect(command.filter((word) => word.startsWith("--"))).toEqual(
      shippedFlags(main.replace(/\/dist\/main\.js$/, "")),
    );
  });

  test("has the Node that the tests run on", () => {
    const { packages } = json("package-lock.json");
    const images = new Set(stages.map(({ name }) => wholeStage(stages, name).image));
    expect([...images]).toEqual([`node:${packages["node_modules/node"].version}-bookworm-slim`]);
  });

  test("copies what is there and what .dockerignore lets through", () => {
    const files = contextFiles();
    const missing = stages
      .flatMap(({ steps }) => steps)
      .flatMap((step) => (step.kind === "copy" && step.from === null ? step.sources : []))
      .filter((source) => source !== "." && !files.some((file) => file === source || file.startsWith(`${source}/`)));
    expect(missing).toEqual([]);
  });

  test.each(IMAGES)("gives %s the workspaces it depends on at run time, and their code", (name) => {
    const steps = wholeStage(stages, name).steps;
    const copied = steps.flatMap((step) => (step.kind === "copy" && step.from === "build" ? [step.target] : []));
    const own = copied
      .filter((target) => target.endsWith(`/${name}/dist`))
      .map((target) => target.replace("/dist", ""));
    expect(own).toHaveLength(1);
    const needed = closure(own[0] ?? "");
    expect(needed.filter((directory) => !copied.includes(`${directory}/dist`))).toEqual([]);
    const from = steps.flatMap((step) => (step.kind === "copy" && step.from?.endsWith("modules") ? [step.from] : []));
    const manifests = from.flatMap((stage) =>
      wholeStage(stages, stage).steps.flatMap((step) => (step.kind === "copy" ? step.sources : [])),
    );
    expect(needed.filter((directory) => !manifests.includes(`${directory}/package.json`))).toEqual([]);
  });
});

describe("the build's context", () => {
  test("has no secrets, no environment files, nothing installed and nothing built", () => {
    const bad = /(^|\/)(node_modules|dist|\.git|\.plugboard|secrets)(\/|$)|(^|\/)\.env/;
    expect(
      contextFiles(["deploy/secrets/admin-token", ".env", "apps/router/dist/main.js"]).filter((path) => bad.test(path)),
    ).toEqual([]);
  });

  test("has what the build reads", () => {
    const files = contextFiles();
    for (const file of ["package-lock.json", "turbo.json", "tsconfig.base.json", "prisma/schema.prisma", ".npmrc"]) {
      expect(files).toContain(file);
      expect(statSync(join(root, file)).isFile()).toBe(true);
    }
  });
});

/** A workspace and, through their run-time dependencies, those it needs. */
function closure(directory: string, seen = new Set<string>()): string[] {
  if (seen.has(directory)) return [];
  seen.add(directory);
  const dependencies = Object.keys(json(`${directory}/package.json`).dependencies ?? {});
  for (const name of dependencies)
    if (name.startsWith("@plugboard/")) closure(name.replace("@plugboard", "packages"), seen);
  return [...seen];
}
