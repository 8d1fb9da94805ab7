import { execFile } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { DEAD_LETTER_HEADER, type DeliveryRecord, deliveryId, deliveryRecordSchema } from "@plugboard/contract";
import { conformance } from "@plugboard/plugin-sdk/conformance";
import { freePorts, projectRoot, type Supervised, supervise, waitUntil } from "@plugboard/stack";
import { PlugboardUnderTest } from "./plugboard-under-test.ts";
import { totalsDescription } from "./python-conformance.ts";
import { findPythonWithKafka, PYTHON_MISSING } from "./python-with-kafka.ts";
import { headerOf, type TopicReader } from "./topic-reader.ts";

const WAIT_MS = 40_000;
const TEAM = "team-a";
const SOURCES = join(projectRoot(), "examples", "python-plugin");

const python = await findPythonWithKafka();
if (python === null) process.stderr.write(`${PYTHON_MISSING}\n`);
const withPython = python === null ? describe.skip : describe;
afterAll(() => {
  if (python?.directory) rmSync(python.directory, { recursive: true, force: true });
});

/** The exchange rate service that the plugin asks: each failure asked for is one answer 503. */
class RateService {
  readonly #server: Server;
  failures = 0;

  constructor() {
    this.#server = createServer((request, response) => {
      if (this.failures > 0) {
        this.failures -= 1;
        response.writeHead(503).end();
      } else if (request.url === "/KES") response.end(JSON.stringify({ rate: 0.5 }));
      else response.writeHead(404).end();
    });
  }

  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

withPython("a plugin in Python, without the SDK, under the real manager and router", () => {
  const directory = mkdtempSync(join(tmpdir(), "python-plugin-"));
  const rates = new RateService();
  let plugboard: PlugboardUnderTest;
  let outcomes: TopicReader;
  let environment: Record<string, string>;
  let url: string;
  let plugin: Supervised;
  let log = "";

  /** @param own variables that differ from those of most tests. */
  const start = async (own: Record<string, string> = {}) => {
    plugin = await supervise({
      command: python?.command ?? "",
      args: ["-B", "-m", "totals"],
      cwd: SOURCES,
      env: { PATH: process.env.PATH, ...environment, ...own },
      output: "pipe",
    });
    const keep = (chunk: Buffer) => {
      log += String(chunk);
    };
    plugin.child.stdout?.on("data", keep);
    plugin.child.stderr?.on("data", keep);
    await waitUntil("the plugin is ready", WAIT_MS, async () => {
      if (!plugin.isRunning()) throw new Error(`the plugin ended:\n${log}`);
      const answer = await fetch(`${url}/readyz`).catch(() => null);
      return answer?.ok || undefined;
    });
  };
  const view = async () =>
    (await plugboard.call("GET", `/v1/teams/${TEAM}/plugins/totals`)) as {
      status: string;
      settings: { state: string; reasons: object[] };
    };
  const instances = async () =>
    ((await plugboard.call("GET", "/v1/plugins/totals")) as { instances: { id: string; expiresAt: string }[] })
      .instances;
  const emit = (id: string, response: string, answers: object) =>
    plugboard.emit([{ team: TEAM, id, response, form: "form-1", data: { answers } }]);
  const told = (event: string): DeliveryRecord[] =>
    outcomes.records
      .map(({ value }) => deliveryRecordSchema.parse(JSON.parse(String(value))))
      .filter(({ eventId }) => eventId === event);
  const outcomesOf = async (event: string, count: number) => {
    await outcomes.until(`${count} outcomes of ${event}`, () => told(event).length >= count);
    return told(event);
  };
  const total = async () => {
    const { output } = (await plugboard.call("POST", `/v1/teams/${TEAM}/plugins/totals/actions/total`, {})) as {
      output: object;
    };
    return output;
  };
  /** @param lane what its names end in; nothing for the live one. */
  const committed = async (lane = "") => {
    const topics = [`${plugboard.name}.plugin.totals${lane}`];
    const [group] = await plugboard.admin.fetchOffsets({ groupId: `${plugboard.name}.totals${lane}`, topics });
    return (group?.partitions ?? []).reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
  };

  beforeAll(async () => {
    const [ratesUrl, opened, [port = 0]] = await Promise.all([rates.start(), PlugboardUnderTest.open(), freePorts(1)]);
    plugboard = opened;
    url = `http://127.0.0.1:${port}`;
    environment = {
      ...(await plugboard.pluginEnvironment("totals")),
      ...(python?.env ?? {}),
      PORT: String(port),
      TOTALS_DATABASE: join(directory, "totals.sqlite3"),
      TOTALS_RATES_URL: ratesUrl,
      TOTALS_COMMIT_EVERY_MS: "100",
      PLUGIN_RETRY_DELAY_MS: "100",
      PLUGIN_RETRY_ATTEMPTS_MAX: "3",
      PLUGIN_SESSION_TIMEOUT_MS: "6000",
    };
    await Promise.all([start(), plugboard.startRouter()]);
    outcomes = await plugboard.follow(`${plugboard.name}.deliveries`);
    await plugboard.enable(TEAM, "totals");
  }, 120_000);
  afterAll(async () => {
    if (plugin?.isRunning()) await plugin.end("SIGKILL");
    rates.stop();
    await plugboard?.close();
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  test("it registers, is counted up, refuses settings with its reason, and applies right ones", async () => {
    await waitUntil("the manager counts it up", WAIT_MS, async () => (await view()).status === "up" || undefined);
    await plugboard.call("PUT", `/v1/teams/${TEAM}/plugins/totals/config`, { question: "price", currency: "XXX" });
    const refused = await waitUntil("the settings are refused", WAIT_MS, async () => {
      const { settings } = await view();
      return settings.state === "refused" ? settings.reasons : undefined;
    });
    expect(refused).toEqual([{ path: "/currency", message: "is no currency that the rate service knows" }]);
    await plugboard.configure(TEAM, "totals", { question: "price", currency: "KES" });
    expect(await total()).toEqual({ total: 0, responses: 0 });
  });

  test("a call that is not signed, or signed with another secret, is refused and changes nothing", async () => {
    const body = JSON.stringify({ team: TEAM, version: 1_000, settings: { question: "other", currency: "KES" } });
    const now = String(Math.floor(Date.now() / 1_000));
    const call = async (headers: Record<string, string>) => {
      const answer = await fetch(`${url}/initialize`, { method: "POST", body, headers });
      return { status: answer.status, code: ((await answer.json()) as { code: string }).code };
    };
    const forged = createHmac("sha256", randomBytes(24)).update(`msg_1.${now}.${body}`).digest("base64");
    const refusal = { status: 401, code: "signature-invalid" };
    expect(await call({})).toEqual(refusal);
    expect(
      await call({ "webhook-id": "msg_1", "webhook-timestamp": now, "webhook-signature": `v1,${forged}` }),
    ).toEqual(refusal);
    await emit("still-price", "r-0", { price: 0, other: 7 });
    await outcomesOf("still-price", 1);
    expect(await total()).toEqual({ total: 0, responses: 1 });
  });

  test("an event that comes twice has its effect once", async () => {
    await emit("twice", "r-1", { price: 10 });
    await emit("twice", "r-1", { price: 10 });
    const both = await outcomesOf("twice", 2);
    expect(both.map(({ outcome, attempt }) => [outcome, attempt])).toEqual([
      ["delivered", 1],
      ["duplicate", 0],
    ]);
    expect(both[0]).toMatchObject({ deliveryId: deliveryId(TEAM, "totals", "e2e", "twice"), responseId: "r-1" });
    expect(await total()).toEqual({ total: 5, responses: 2 });
  });

  test("what fails for a while is tried again; what goes on failing, or cannot succeed, becomes a dead letter", async () => {
    rates.failures = 1;
    await emit("later", "r-2", { price: 2 });
    const later = await outcomesOf("later", 2);
    expect(later.map(({ outcome, attempt }) => [outcome, attempt])).toEqual([
      ["retry", 1],
      ["delivered", 2],
    ]);
    expect(later[0]?.retryAt).not.toBeNull();
    rates.failures = 3;
    await emit("never", "r-3", { price: 2 });
    expect((await outcomesOf("never", 3)).at(-1)).toMatchObject({ outcome: "failed", attempt: 3 });
    await emit("wrong", "r-4", { price: "two" });
    expect(await outcomesOf("wrong", 1)).toMatchObject([{ outcome: "rejected", attempt: 1 }]);
    const letters = await plugboard.follow(`${plugboard.name}.plugin.totals.dlq`);
    await letters.until("both dead letters", () => letters.records.length === 2);
    const [never, wrong] = letters.records;
    expect(headerOf(never, "ce_id")).toBe("never");
    expect(headerOf(never, DEAD_LETTER_HEADER.reason)).toBe("failed");
    expect(headerOf(never, DEAD_LETTER_HEADER.attempts)).toBe("3");
    expect(JSON.parse(headerOf(never, DEAD_LETTER_HEADER.history) ?? "")).toMatchObject(
      [1, 2, 3].map((attempt) => ({ attempt, reason: expect.stringContaining("503") })),
    );
    expect(String(never?.value)).toBe('{"answers":{"price":2}}');
    expect(headerOf(wrong, DEAD_LETTER_HEADER.reason)).toBe("rejected");
    expect(headerOf(wrong, DEAD_LETTER_HEADER.detail)).toBe("the answer to price is no number");
    expect(await total()).toEqual({ total: 6, responses: 3 });
  });

  test("killed after the effect and before the commit, it finds its own record and does nothing twice", async () => {
    await plugin.end("SIGTERM");
    await start({ TOTALS_COMMIT_EVERY_MS: "600000" });
    const before = await committed();
    await emit("killed", "r-5", { price: 20 });
    await outcomesOf("killed", 1);
    expect(await total()).toEqual({ total: 16, responses: 4 });
    await plugin.end("SIGKILL");
    expect(await committed()).toBe(before);
    await start();
    const [first, second] = await outcomesOf("killed", 2);
    expect([first?.outcome, second?.outcome]).toEqual(["delivered", "duplicate"]);
    expect(await total()).toEqual({ total: 16, responses: 4 });
  });

  test("it reads all lanes, and commits each in a group of its own", async () => {
    for (const [priority, response] of [
      ["urgent", "r-7"],
      ["bulk", "r-8"],
    ] as const) {
      const event = { team: TEAM, id: priority, response, form: "form-1", priority, data: { answers: { price: 2 } } };
      await plugboard.emit([event]);
      expect(await outcomesOf(priority, 1)).toMatchObject([{ outcome: "delivered", attempt: 1 }]);
      const lane = priority === "urgent" ? "priority" : "bulk";
      await waitUntil(`${lane} is committed`, WAIT_MS, async () => (await committed(`.${lane}`)) === 1 || undefined);
    }
    expect(await total()).toEqual({ total: 18, responses: 6 });
  });

  test("a team that switches it off gets nothing more, also of what is in the topic already", async () => {
    await plugin.end("SIGTERM");
    await emit("too-late", "r-6", { price: 100 });
    await plugboard.drained();
    await plugboard.enable(TEAM, "totals", { enabled: false });
    await start();
    expect(await outcomesOf("too-late", 1)).toMatchObject([{ outcome: "disabled", attempt: 0 }]);
  });

  test("on SIGTERM it commits, says goodbye and leaves with 0", async () => {
    const ends = await plugboard.admin.fetchTopicOffsets(`${plugboard.name}.plugin.totals`);
    // The instance that was killed may still be counted: the newest lease is this one's.
    const [own] = (await instances()).toSorted((one, other) => other.expiresAt.localeCompare(one.expiresAt));
    await plugin.end("SIGTERM");
    expect(await plugin.exited).toBe(0);
    expect(await committed()).toBe(ends.reduce((sum, { high }) => sum + Number(high), 0));
    expect(own).toBeDefined();
    expect((await instances()).map(({ id }) => id)).not.toContain(own?.id);
  });
});

withPython("the Python plugin conforms to the protocol", () => {
  const directory = mkdtempSync(join(tmpdir(), "python-conformance-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  conformance({ test, beforeAll, afterAll }, totalsDescription(python, directory));
});

withPython("the Python plugin agrees with the contract", () => {
  const evaluate = async (code: string, given: unknown): Promise<unknown> => {
    const program = `import json, sys; given = json.loads(sys.argv[1])\n${code}`;
    const { stdout } = await promisify(execFile)(python?.command ?? "", ["-B", "-c", program, JSON.stringify(given)], {
      cwd: SOURCES,
      timeout: 20_000,
    });
    return JSON.parse(stdout);
  };

  test("identities are those of the contract, also for text beyond ASCII", async () => {
    const tuples = [
      ["team-1", "sms", "core", "event-1"],
      ["team-1", "sms", "köln", "日本"],
      ["team-1", "sms", "https://x.example/a?b=c", "🙂-1"],
    ] as const;
    const code = "from totals.record import delivery_id\nprint(json.dumps([delivery_id(*one) for one in given]))";
    expect(await evaluate(code, tuples)).toEqual(
      tuples.map(([team, plugin, source, event]) => deliveryId(team, plugin, source, event)),
    );
  });

  test("a signature passes once; changed bodies, old timestamps and repetitions do not", async () => {
    const key = randomBytes(24);
    const now = Math.floor(Date.now() / 1_000);
    const body = '{"team":"köln"}';
    const signed = (id: string, at: number) => {
      const mac = createHmac("sha256", key).update(`${id}.${at}.${body}`).digest("base64");
      return { "webhook-id": id, "webhook-timestamp": String(at), "webhook-signature": `v1,AAAA v1,${mac}` };
    };
    const calls = [
      { headers: signed("a", now), body },
      { headers: signed("a", now), body },
      { headers: signed("b", now), body: `${body} ` },
      { headers: signed("c", now - 301), body },
      { headers: signed("d", now + 301), body },
      { headers: signed("e", now - 290), body },
    ];
    const code = `
from totals.signature import Signatures, SignatureInvalid
signatures = Signatures()
def passes(call):
    try:
        signatures.verify(given["secret"], call["headers"], call["body"].encode(), given["now"])
        return True
    except SignatureInvalid:
        return False
print(json.dumps([passes(call) for call in given["calls"]]))`;
    const secret = `whsec_${key.toString("base64")}`;
    expect(await evaluate(code, { secret, now, calls })).toEqual([true, false, false, false, false, true]);
  });
});
