import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { projectRoot, testEnvironment } from "@plugboard/stack";
import { PlugboardUnderTest } from "./plugboard-under-test.ts";

/** Each command is a process of its own, and a test runs several. */
jest.setTimeout(120_000);

const BIN = join(projectRoot(), "packages/cli/bin/plugboard.mjs");
const NODE = join(projectRoot(), "node_modules/.bin/node");
const ADMIN_TOKEN = "admin-token-of-the-end-to-end-tests";

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

let plugboard: PlugboardUnderTest;
let directory: string;
let environment: Record<string, string>;

/** Runs the command as a shell does, in a directory with nothing of Plugboard's around it. */
async function plugboardCli(args: readonly string[], own: Record<string, string> = {}, input = ""): Promise<Ran> {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(NODE, ["--conditions=source", BIN, ...args], {
    cwd: directory,
    env: { PATH, HOME, ...environment, ...own },
  });
  child.stdin.end(input);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, out, err };
}

async function json(args: readonly string[], own: Record<string, string> = {}, input = "") {
  const { code, out, err } = await plugboardCli([...args, "--json"], own, input);
  if (code !== 0) throw new Error(`plugboard ${args.join(" ")} ended with ${code}: ${err}`);
  return JSON.parse(out);
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "plugboard-cli-"));
  plugboard = await PlugboardUnderTest.open();
  await plugboard.register("plain");
  environment = {
    MANAGER_URL: plugboard.manager.url,
    PLUGBOARD_ADMIN_TOKEN: ADMIN_TOKEN,
    KAFKA_BROKERS: testEnvironment().kafkaBrokers,
    RESPONSES_TOPIC: plugboard.responses,
    PLUGIN_TOPIC_PREFIX: `${plugboard.name}.plugin.`,
  };
  await plugboard.startRouter();
  await plugboard.startPlugin("validator");
}, 120_000);
afterAll(async () => {
  await plugboard?.close();
  await rm(directory, { recursive: true, force: true });
}, 60_000);

const EVENT = {
  id: "c-1",
  team_id: "red",
  event: "onResponse",
  form_id: "census",
  response_id: "r-1",
  data: { answers: { age: 31 } },
};

describe("plugboard", () => {
  test("enables, narrows and disables a plugin, and tells as text and as JSON", async () => {
    const enabled = await json([
      "enable",
      "plain",
      "--team",
      "red",
      "--forms",
      "census,intake",
      "--filter",
      "answers.age >= 18",
    ]);
    expect(enabled).toMatchObject({ enabled: true, forms: ["census", "intake"], filter: "answers.age >= 18" });
    expect(await json(["enable", "plain", "--team", "red", "--no-forms"])).toMatchObject({
      forms: null,
      filter: "answers.age >= 18",
    });
    const listed = await plugboardCli(["plugins", "--team", "red"]);
    expect(listed.out).toMatch(/PLUGIN +STATUS +ENABLED/);
    expect(listed.out).toMatch(/plain +down +yes +not-required +all +answers.age >= 18/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: no colours into a pipe.
    expect(listed.out).not.toMatch(/\u001b/);
    expect(await json(["disable", "plain", "--team", "red"])).toMatchObject({ enabled: false });
    expect(await json(["enable", "plain", "--team", "red"])).toMatchObject({
      enabled: true,
      filter: "answers.age >= 18",
    });
  });

  test("registers a schema that settings do not fit by force only, and names the teams", async () => {
    const schema = { type: "object", properties: { sheet: { type: "string" } } };
    const version = (required: string[]) =>
      JSON.stringify({
        id: "picky",
        name: "Picky",
        description: "",
        url: "http://127.0.0.1:1",
        version: "1",
        events: [],
        settings: { ...schema, required },
      });
    const register = (required: string[], ...more: string[]) =>
      plugboardCli(["plugins", "register", "picky", "--file", "-", ...more], {}, version(required));
    expect(await register([])).toMatchObject({ code: 0, out: "Registered picky.\n" });
    await plugboardCli(["enable", "picky", "--team", "red"]);
    await plugboardCli(["configure", "picky", "--team", "red", "--set", "other=1"]);
    const refused = await register(["sheet"]);
    expect([refused.code, refused.out]).toEqual([1, ""]);
    expect(refused.err).toMatch(/\(settings-invalidated\)[\s\S]* {2}\/sheet: is required \(1 team\)\n {2}teams: red\n/);
    expect((await register(["sheet"], "--force")).code).toBe(0);
  });

  test("tries an event: 0 when it would be routed, 1 when not, with the place in the filter", async () => {
    const file = join(directory, "event.json");
    await writeFile(file, JSON.stringify(EVENT));
    const routed = await plugboardCli(["try", "plain", "--team", "red", "--event", file]);
    expect([routed.code, routed.out.split("\n")[0]]).toEqual([0, "routed"]);
    const draft = ["try", "plain", "--team", "red", "--event", "-", "--filter", "answers.agee > 1"];
    const refused = await plugboardCli(draft, {}, JSON.stringify(EVENT));
    expect(refused.code).toBe(1);
    expect(refused.out).toContain("not-routed (filter-error)");
    expect(refused.out).toContain("  answers.agee > 1\n  ^^^^^^^^^^^^");
    expect(refused.out).toContain("It has: age");
    const parsed = JSON.parse((await plugboardCli([...draft, "--json"], {}, JSON.stringify(EVENT))).out);
    expect(parsed).toMatchObject({ routed: false, reason: "filter-error" });
  });

  test("tails a topic: lines, JSON lines that can be tried, and another team's left out", async () => {
    await plugboard.emit([
      { team: "red", id: "c-2", response: "r-2", form: "census", data: { answers: { age: 40 } } },
      { team: "blue", id: "c-3", response: "r-3" },
    ]);
    await plugboard.drained();
    const topic = ["tail", plugboard.responses, "--from", "beginning"];
    const all = await plugboardCli([...topic, "--limit", "2"]);
    expect(all.code).toBe(0);
    expect(all.out.trim().split("\n")).toHaveLength(2);
    expect(all.out).toContain("onResponse of red form census response r-2");
    const reds = await plugboardCli([...topic, "--team", "red", "--no-follow", "--headers"]);
    expect(reds.out).toContain("    ce_teamid: red");
    expect(reds.out).not.toContain("blue");
    const line = (await plugboardCli([...topic, "--team", "red", "--limit", "1", "--json"])).out;
    expect(JSON.parse(line)).toMatchObject({ key: "r-2", headers: { ce_id: "c-2" }, value: { answers: { age: 40 } } });
    expect(await json(["try", "plain", "--team", "red", "--event", "-"], {}, line)).toMatchObject({
      routed: true,
      event: { envelope: "binary" },
    });
    const copies = await plugboardCli([
      "tail",
      `${plugboard.name}.plugin.plain`,
      "--from",
      "beginning",
      "--limit",
      "1",
    ]);
    expect(copies.out).toMatch(/response r-2 to plain by \d+\.\d+, from .*responses\/\d\/\d+, plain\.[0-9a-f]{32}/);
    expect((await plugboardCli(["tail", "no-such-topic"])).code).toBe(1);
  });

  test("ends a tail cleanly when it is interrupted", async () => {
    const { PATH = "", HOME = "" } = process.env;
    const child = spawn(NODE, ["--conditions=source", BIN, "tail", plugboard.responses], {
      env: { PATH, HOME, ...environment },
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    await new Promise<void>((resolve) =>
      child.stderr.on("data", (chunk) => String(chunk).includes("Ctrl-C") && resolve()),
    );
    child.kill("SIGINT");
    expect(await ended).toBe(0);
  });

  test("configures a plugin, waits for its verdict, and tells what it refused", async () => {
    await json(["enable", "validator", "--team", "red"]);
    const rule = { id: "savings", message: "Savings exceed income", check: "answers.savings <= answers.income" };
    const settings = JSON.stringify({ rules: [rule] });
    const applied = await json(["configure", "validator", "--team", "red", "--file", "-", "--wait"], {}, settings);
    expect(applied.settings).toMatchObject({ state: "applied", values: { rules: [{ id: "savings" }] } });
    const wrong = JSON.stringify({ rules: [{ ...rule, check: "answers.savings <=" }] });
    const refused = await plugboardCli(["configure", "validator", "--team", "red", "--file", "-", "--wait"], {}, wrong);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("validator refused the settings")]);
    const unfit = await plugboardCli(["configure", "validator", "--team", "red", "--set", "rules=none"]);
    expect([unfit.code, unfit.err]).toEqual([
      1,
      expect.stringMatching(/\(invalid-settings\)[\s\S]*\/rules[\s\S]*next: /),
    ]);
    const off = await plugboardCli(["configure", "plain", "--team", "blue", "--set", "a=1"]);
    expect([off.code, off.err]).toEqual([1, expect.stringContaining("(not-enabled)")]);
    const action = await plugboardCli(["action", "validator", "no-such-action", "--team", "red"]);
    expect([action.code, action.err]).toEqual([1, expect.stringContaining("(not-found)")]);
  });

  test("shows status with lags, the routing table, and rebuilds it", async () => {
    await plugboard.emit([{ team: "red", id: "c-9", response: "r-9" }]);
    await plugboard.drained();
    const status = await plugboardCli(["status"]);
    expect(status.out).toMatch(/manager http:\S+: ready/);
    expect(status.out).toMatch(new RegExp(`${plugboard.responses} +3 +\\d+ +${plugboard.group} +0`));
    // `plain` has no process: that is not well.
    expect([status.code, status.out]).toEqual([1, expect.stringContaining("plugin plain has no live instance")]);
    const parsed = JSON.parse((await plugboardCli(["status", "--json"])).out);
    expect(parsed).toMatchObject({ manager: { ready: true }, routingTable: { agrees: true } });
    const before = await json(["routes"]);
    const rebuilt = await json(["routes", "rebuild"]);
    expect(rebuilt.epoch).not.toBe(before.stored.epoch);
    expect(await json(["routes", "show"])).toMatchObject({ agrees: true, stored: { epoch: rebuilt.epoch } });
    expect((await json(["plugins"])).map(({ id }: { id: string }) => id)).toEqual(["picky", "plain", "validator"]);
    expect((await plugboardCli(["plugins", "show", "validator"])).out).toMatch(/^plugin +validator/m);
  });

  test("makes a token that opens what it is for and nothing else", async () => {
    const { code, out } = await plugboardCli([
      "tokens",
      "create",
      "--role",
      "team",
      "--subject",
      "red",
      "--expires",
      "1",
    ]);
    expect([code, out]).toEqual([0, expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)]);
    const own = { PLUGBOARD_ADMIN_TOKEN: "", PLUGBOARD_TOKEN: out.trim() };
    expect(await json(["plugins", "show", "plain", "--team", "red"], own)).toMatchObject({ id: "plain" });
    const other = await plugboardCli(["plugins", "--team", "blue"], own);
    expect([other.code, other.err]).toEqual([1, expect.stringContaining("(forbidden)")]);
    expect(other.err).not.toContain(out.trim());
  });

  test("finds its way by what npm start leaves, in a directory above", async () => {
    const below = join(directory, "a", "b");
    await mkdir(below, { recursive: true });
    await mkdir(join(directory, ".plugboard"));
    const development = {
      manager: { url: plugboard.manager.url },
      kafka: { brokers: environment.KAFKA_BROKERS },
      tokens: { admin: ADMIN_TOKEN, teams: {} },
    };
    await writeFile(join(directory, ".plugboard", "dev.json"), JSON.stringify(development));
    expect(await json(["routes"], { MANAGER_URL: "", PLUGBOARD_ADMIN_TOKEN: "" })).toMatchObject({ agrees: true });
    await rm(join(directory, ".plugboard"), { recursive: true });
  });

  test.each<[string, string[], Record<string, string>, number, RegExp]>([
    ["nothing to do", [], {}, 2, /Usage: plugboard/],
    ["an unknown command", ["statsu"], {}, 2, /unknown command 'statsu'/],
    ["a missing team", ["enable", "plain"], {}, 2, /required option '--team <team>'/],
    [
      "a wrong choice",
      ["enable", "plain", "--team", "red", "--mode", "fast"],
      {},
      2,
      /Allowed choices are async, sync, both/,
    ],
    ["no address", ["routes"], { MANAGER_URL: "" }, 2, /nobody says where the manager is/],
    [
      "a wrong file",
      ["try", "plain", "--team", "red", "--event", "no-such.json"],
      {},
      2,
      /no-such.json cannot be read/,
    ],
    ["a wrong broker", ["tail", "t", "--brokers", "nowhere"], {}, 2, /KAFKA_BROKERS must be host:port/],
    ["a wrong token", ["routes", "--token", "wrong"], {}, 1, /\(unauthenticated\).*[\s\S]*next: /],
    ["an unknown plugin", ["plugins", "show", "nobody"], {}, 1, /\(not-found\)/],
    [
      "a wrong filter",
      ["enable", "plain", "--team", "red", "--filter", "answers.age >"],
      {},
      1,
      /\(invalid-filter\)[\s\S]*\/filter: .*line 1/,
    ],
    [
      "no manager",
      ["routes", "--manager", "http://127.0.0.1:2"],
      {},
      3,
      /the manager at http:\/\/127.0.0.1:2 does not answer: ECONNREFUSED/,
    ],
    ["no brokers", ["tail", "t", "--brokers", "127.0.0.1:1"], {}, 3, /Kafka at 127.0.0.1:1 does not answer/],
  ])("with %s says so, with its own exit status", async (_what, args, own, code, told) => {
    const ran = await plugboardCli(args, own);
    expect([ran.code, ran.out]).toEqual([code, ""]);
    expect(ran.err).toMatch(told);
  });

  test("--help of the whole and of a command ends with 0", async () => {
    const help = await plugboardCli(["--help"]);
    expect([help.code, help.out]).toEqual([0, expect.stringMatching(/Examples:[\s\S]*Exit status: 0 done/)]);
    expect((await plugboardCli(["try", "--help"])).out).toContain("--event <file>");
  });
});
