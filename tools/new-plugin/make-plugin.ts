import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { applyEdits, modify } from "jsonc-parser";
import { Liquid } from "liquidjs";
import type { PluginRequest } from "./plugin-request.ts";

/** Files that a new plugin changes beside its own; put back when making it fails. */
const CHANGED = ["tsconfig.json", "package-lock.json", "Dockerfile"];
const TEMPLATE = join("tools", "plugin-template");
const INSTALL_DEADLINE_MS = 10 * 60_000;

/**
 * Tags stand in comments, so that the template is TypeScript that is checked as all other code is; a tag takes its whole
 * line with it.
 */
const liquid = new Liquid({
  tagDelimiterLeft: "//{%",
  tagDelimiterRight: "%}",
  trimTagLeft: true,
  strictVariables: true,
  strictFilters: true,
});

/**
 * Makes plugins/<id> from the template, refers to it in tsconfig.json, gives it an image and has npm link it. What fails is undone: there is
 * a whole plugin afterwards, or none.
 * @param install false leaves the linking to the caller.
 * @returns the files made, from the repository's root.
 */
export function makePlugin(root: string, request: PluginRequest, install: boolean): string[] {
  const directory = join(root, "plugins", request.id);
  const before = CHANGED.map((file) => [join(root, file), readFileSync(join(root, file))] as const);
  const draft = mkdtempSync(join(root, "plugins", ".new-"));
  try {
    const files = render(root, draft, request);
    renameSync(draft, directory);
    refer(join(root, "tsconfig.json"), `plugins/${request.id}`);
    addImage(join(root, "Dockerfile"), request.id);
    format(root, [directory, join(root, "tsconfig.json")]);
    if (install)
      for (const args of [
        ["install", "--no-audit", "--no-fund"],
        ["run", "lock"],
      ])
        npm(root, args);
    return files.map((file) => join("plugins", request.id, file));
  } catch (error) {
    for (const [file, content] of before) writeFileSync(file, content);
    for (const made of [draft, directory]) rmSync(made, { recursive: true, force: true });
    throw error;
  }
}

/** @returns the files written, from the plugin's directory. */
function render(root: string, target: string, { id, events, sync }: PluginRequest): string[] {
  const source = join(root, TEMPLATE);
  const words = id.replaceAll("-", " ");
  const values = { id, title: `${words.charAt(0).toUpperCase()}${words.slice(1)}`, events, sync };
  const files = readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(source.length + 1))
    .sort();
  for (const file of files) {
    const made = join(target, file);
    mkdirSync(dirname(made), { recursive: true });
    writeFileSync(made, liquid.parseAndRenderSync(readFileSync(join(source, file), "utf8"), values));
  }
  return files;
}

/** Adds a project reference, leaving the rest of the file as it is written. */
function refer(file: string, path: string): void {
  const text = readFileSync(file, "utf8");
  const edits = modify(text, ["references", -1], { path }, { isArrayInsertion: true });
  writeFileSync(file, applyEdits(text, edits));
}

/** The Dockerfile's lines that those of a new plugin stand before. */
const MANIFEST_OF_CORE = "COPY examples/collect-core/package.json examples/collect-core/\n";
const IMAGE_OF_CORE = "FROM runtime AS collect-core\n";

/** Gives the plugin a target in the Dockerfile, as the other plugins have one. */
function addImage(file: string, id: string): void {
  const text = readFileSync(file, "utf8");
  for (const line of [MANIFEST_OF_CORE, IMAGE_OF_CORE])
    if (!text.includes(line)) throw new Error(`the Dockerfile has no line "${line.trim()}" to add the plugin before`);
  const manifest = `COPY plugins/${id}/package.json plugins/${id}/\n`;
  const image = `FROM runtime AS ${id}
ENV PORT=4200
COPY --from=build /app/plugins/${id}/dist plugins/${id}/dist
EXPOSE 4200
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["node", "deploy/healthcheck.mjs"]
CMD ["node", "plugins/${id}/dist/main.js"]

`;
  const added = text
    .replace(MANIFEST_OF_CORE, manifest + MANIFEST_OF_CORE)
    .replace(IMAGE_OF_CORE, image + IMAGE_OF_CORE);
  writeFileSync(file, added);
}

/** Leaving parts out can leave what the formatter would write otherwise. */
function format(root: string, paths: readonly string[]): void {
  run(root, join(root, "node_modules", ".bin", "biome"), ["check", "--write", "--vcs-enabled=false", ...paths]);
}

function npm(root: string, args: readonly string[]): void {
  const { npm_execpath: script } = process.env;
  if (script?.endsWith(".js")) run(root, process.execPath, [script, ...args]);
  else run(root, "npm", args);
}

/** @throws with the command's own output when it fails. */
function run(root: string, command: string, args: readonly string[]): void {
  if (command.includes("/") && !existsSync(command)) throw new Error(`${command} is not there: npm install first`);
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    timeout: INSTALL_DEADLINE_MS,
  });
  if (status !== 0)
    throw new Error(`${[command, ...args].join(" ")} failed: ${error?.message ?? `${stdout}${stderr}`}`);
}
