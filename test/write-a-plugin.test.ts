import { type ExecFileOptions, execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { freePorts, projectRoot, type Supervised, supervise, testEnvironment, waitUntil } from "@plugboard/stack";
import { requestProblems } from "../tools/new-plugin/plugin-request.ts";
import { imageOf, stagesOf } from "./deploy/docker-stages.ts";
import { ADMIN_TOKEN, callJson, PlugboardUnderTest } from "./plugboard-under-test.ts";
import { copyRepository, linkWorkspaces } from "./repository-copy.ts";

const WAIT_MS = 40_000;
/** A busy machine runs a compiler of a few seconds, or a conformance suite of half a minute, for minutes. */
const COMMAND_MS = 400_000;
const TEAM = "nutrition-kenya";
const DOCUMENT = readFileSync(join(projectRoot(), "docs", "write-a-plugin.md"), "utf8");
/** The document's commands, block by block. */
const BLOCKS = [...DOCUMENT.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = ""]) => block.trimEnd());

/** Takes the next block, which must begin so. */
function next(beginning: string): string {
  const block = BLOCKS.shift() ?? "";
  expect(block.slice(0, beginning.length)).toBe(beginning);
  return block;
}

/** With all that was started in it: npm, killed alone, would leave its script running. */
async function endTerminal(terminal: Supervised): Promise<void> {
  if (terminal.isRunning()) process.kill(-terminal.pid, "SIGKILL");
  await terminal.exited;
}

describe("docs/write-a-plugin.md, its commands in order in a copy of the repository", () => {
  const running: Supervised[] = [];
  let copy: string;
  let environment: Record<string, string>;
  let port: number;

  const run = async (command: string, args: string[], options: ExecFileOptions = {}) => {
    const given = { cwd: copy, timeout: COMMAND_MS, env: environment, maxBuffer: 16 * 1024 * 1024, ...options };
    const { stdout, stderr } = await promisify(execFile)(command, args, given).catch((error: Error) => {
      const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
      throw new Error(`${error.message}\n${stdout}\n${stderr}`);
    });
    return `${stdout}${stderr}`;
  };
  const shell = (block: string) => run("bash", ["-ec", block]);
  /** Runs a block as a terminal of its own. */
  const terminal = async (block: string) => {
    const supervised = await supervise({
      command: "bash",
      args: ["-ec", block],
      cwd: copy,
      env: environment,
      output: { file: join(copy, "terminal.log") },
    });
    running.push(supervised);
  };
  const newPlugin = (...args: string[]) =>
    run(join(copy, "node_modules", ".bin", "node"), [
      "--conditions=source",
      "tools/new-plugin.ts",
      ...args,
      "--no-install",
    ]);

  beforeAll(() => {
    copy = copyRepository();
    const { kafkaBrokers, redisUrl, databaseUrl } = testEnvironment();
    environment = {
      PATH: [join(copy, "node_modules", ".bin"), process.env.PATH].join(delimiter),
      HOME: process.env.HOME ?? "",
      KAFKA_BROKERS: kafkaBrokers,
      REDIS_URL: redisUrl,
      DATABASE_URL: databaseUrl,
      // Everything is installed here: npm's own pre-scripts would install it again.
      npm_config_ignore_scripts: "true",
    };
  }, 120_000);
  afterAll(async () => {
    await Promise.all(running.map(endTerminal));
    if (copy) rmSync(copy, { recursive: true, force: true });
  });

  test("a name or events that cannot be used are refused with every reason, and nothing is made", async () => {
    const refused = (id: string, events = ["onResponse"]) =>
      requestProblems(copy, { id, events, sync: false }).join("\n");
    const before = readdirSync(join(copy, "plugins")).sort();
    const all = newPlugin("Field_Notes", "--events", "1st,onResponse,onResponse");
    const [said] = await Promise.allSettled([all]);
    expect(said).toMatchObject({ status: "rejected" });
    for (const part of ["must start with a letter", '"1st": an event name is a letter', "names an event twice"]) {
      expect(String((said as PromiseRejectedResult).reason)).toContain(part);
    }
    expect(readdirSync(join(copy, "plugins")).sort()).toEqual(before);
    expect(refused("sms")).toBe("plugins/sms exists already");
    expect(refused("router")).toMatch(/reserved by the manager[\s\S]*taken by apps\/router\/package\.json/);
    expect(refused("a".repeat(65))).toMatch(/65 characters; at most 64/);
    expect(refused("field-notes", [])).toMatch(/needs 1 to 100 names/);
    expect(refused("field-notes")).toBe("");
  }, 120_000);

  test("what fails half-way leaves nothing behind", async () => {
    const template = join(copy, "tools", "plugin-template", "zzz.md");
    const changed = () => ["tsconfig.json", "Dockerfile"].map((file) => readFileSync(join(copy, file), "utf8"));
    const before = changed();
    writeFileSync(template, "{{ no-such-value }}");
    await expect(newPlugin("half-made")).rejects.toThrow(/no plugin was made/);
    rmSync(template);
    expect(readdirSync(join(copy, "plugins")).filter((name) => /half-made|^\./.test(name))).toEqual([]);
    expect(changed()).toEqual(before);
  }, 120_000);

  describe("with everything up, as npm start leaves it", () => {
    let plugboard: PlugboardUnderTest;
    let variables = "";
    const inTeamsTerminal = (block: string) => shell(`${variables}\n${block.replaceAll("8099", String(port))}`);

    beforeAll(async () => {
      next("npm start");
      [[port = 0], plugboard] = await Promise.all([freePorts(1), PlugboardUnderTest.open()]);
      const [core] = await Promise.all([plugboard.startCore(), plugboard.startRouter()]);
      const form = { team: TEAM, title: "Food", questions: [{ id: "dt_kcal" }] };
      await callJson("PUT", `${core.url}/forms/ffq-kenya`, form, "");
      const { token } = (await plugboard.call("POST", "/v1/tokens", { role: "team", subject: TEAM })) as {
        token: string;
      };
      const shared = await plugboard.pluginEnvironment("field-notes");
      const development = {
        manager: { url: plugboard.manager.url },
        core: { url: core.url },
        kafka: { brokers: shared.KAFKA_BROKERS },
        redis: { url: shared.REDIS_URL },
        postgres: { url: shared.DATABASE_URL },
        tokens: { admin: ADMIN_TOKEN, teams: { [TEAM]: token } },
      };
      mkdirSync(join(copy, ".plugboard"), { recursive: true });
      writeFileSync(join(copy, ".plugboard", "dev.json"), JSON.stringify(development));
      // Topics, group and keys of this test's own; `npm run plugin` passes its environment on.
      const { MANAGER_URL: _, MANAGER_TOKEN: __, ...naming } = shared;
      environment = { ...environment, ...naming, DATABASE_URL: testEnvironment().databaseUrl };
    }, 300_000);
    afterAll(() => plugboard?.close(), 60_000);

    test("npm run new-plugin makes a plugin that passes types, style and import rules, and whose own tests pass, the conformance suite among them", async () => {
      const made = await shell(`${next("npm run new-plugin field-notes")} --sync --no-install`);
      expect(made).toMatch(/made plugins\/field-notes\/src\/plugin\.ts/);
      linkWorkspaces(copy);
      const own = {
        extends: "./tsconfig.check.json",
        include: ["plugins/field-notes/src", "plugins/field-notes/test"],
      };
      writeFileSync(join(copy, "tsconfig.own.json"), JSON.stringify(own));
      const references = readFileSync(join(copy, "tsconfig.json"), "utf8");
      expect(JSON.parse(references).references).toContainEqual({ path: "plugins/field-notes" });
      const image = imageOf(stagesOf(readFileSync(join(copy, "Dockerfile"), "utf8")), "field-notes");
      expect(image.command).toEqual(["node", "plugins/field-notes/dist/main.js"]);
      await shell("tsc -p tsconfig.own.json");
      await shell("biome check --vcs-enabled=false plugins/field-notes tsconfig.json");
      await shell("depcruise --config .dependency-cruiser.cjs plugins/field-notes");
      const tested = await shell(next("npm test -- plugins/field-notes"));
      expect(tested).toMatch(/22 passed, 0 failed/);
    }, 600_000);

    test("the plugin runs, is switched on, configured, and delivers", async () => {
      await terminal(next("npm run plugin"));
      const registered = async () =>
        plugboard.call("GET", "/v1/plugins/field-notes").catch(() => undefined) as Promise<{ up: boolean } | undefined>;
      await waitUntil("it is registered and up", WAIT_MS, async () => ((await registered())?.up ? true : undefined));
      await terminal(next("node -e").replaceAll("8099", String(port)));
      const enable = next("MANAGER=");
      variables = enable
        .split("\n")
        .filter((line) => /^[A-Z]+=/.test(line))
        .join("\n");
      expect(await shell(enable)).toContain('"enabled":true');
      const view = await inTeamsTerminal(next("curl -sf -X PUT $PLUGIN/config"));
      expect(view).toContain('"state":"applied"');
      expect(view).not.toContain("a-secret");
      expect(await inTeamsTerminal(next("curl -sf -X POST $CORE/forms/ffq-kenya/submit"))).toContain('"dt_kcal":2100');
      expect(await inTeamsTerminal(next("curl -sf -X POST $PLUGIN/actions/send-test"))).toContain(
        '"output":{"status":200}',
      );
      // It answers when it has read a request, and writes it down after that.
      await waitUntil("the action's call is written down", WAIT_MS, () =>
        readFileSync(join(copy, "received.txt"), "utf8").includes('{"text":"Jambo"}') ? true : undefined,
      );
    }, 300_000);

    test("it builds, and the key that deploying needs is made", async () => {
      expect(next("npm run check")).toBe("npm run check\nnpm run build");
      await shell("cd plugins/field-notes && tsc -b");
      expect(existsSync(join(copy, "plugins", "field-notes", "dist", "main.js"))).toBe(true);
      const key = JSON.parse(await shell(next("node -p"))) as Record<string, string>;
      expect(key).toMatchObject({ kty: "EC", crv: "P-256", d: expect.any(String) });
      expect(BLOCKS).toEqual([]);
    }, 300_000);
  });
});
