import { testEnvironment } from "@plugboard/stack";
import fc from "fast-check";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { Client } from "pg";
import type { OpenApiDocument } from "../../src/http/openapi-document.ts";
import { type FakePlugin, startFakePlugin } from "../fake-plugin.ts";
import {
  ADMIN_TOKEN,
  createGround,
  registration,
  SIGNING_KEY,
  type TestGround,
  type TestManager,
} from "../test-manager.ts";
import { OWN_SECRET, OWN_TEXT, ownText, SECRET_MARK } from "./answer-faults.ts";
import type { FuzzKnowledge } from "./request-arbitrary.ts";
import { StoredState } from "./stored-state.ts";

export const TEAMS = ["alpha", "beta", "gamma"] as const;
export const PLUGINS = ["one", "two"] as const;
/** Plugins that a run may register and deregister as it likes. */
const SPARE_PLUGINS = ["spare", "constructor"];
/** Longer than a busy machine takes: a 504 would be the machine's fault, and hide the manager's. */
const ACTION_DEADLINE_MS = 25_000;

/** A manager with plugins that live, teams that use them, and text to be leaked. */
export class FuzzGround {
  readonly ground: TestGround;
  readonly manager: TestManager;
  readonly plugin: FakePlugin;
  readonly document: OpenApiDocument;
  readonly state: StoredState;
  readonly tokens: ReadonlyMap<string, string | null>;
  readonly #database: Client;
  readonly #publicKey: object;

  private constructor(parts: {
    ground: TestGround;
    manager: TestManager;
    plugin: FakePlugin;
    document: OpenApiDocument;
    database: Client;
    tokens: ReadonlyMap<string, string | null>;
    publicKey: object;
  }) {
    this.ground = parts.ground;
    this.manager = parts.manager;
    this.plugin = parts.plugin;
    this.document = parts.document;
    this.tokens = parts.tokens;
    this.#database = parts.database;
    this.#publicKey = parts.publicKey;
    this.state = new StoredState(parts.database, testEnvironment().redisUrl, parts.ground.namespace);
  }

  static async start(): Promise<FuzzGround> {
    const [ground, plugin] = await Promise.all([createGround(), startFakePlugin()]);
    const manager = await ground.start({}, ACTION_DEADLINE_MS);
    const document = (await (await manager.fetch("/openapi.json")).json()) as OpenApiDocument;
    const database = new Client({ connectionString: ground.databaseUrl });
    await database.connect();
    const pair = await generateKeyPair("ECDH-ES", { extractable: true });
    const publicKey = { ...(await exportJWK(pair.publicKey)), alg: "ECDH-ES" };
    const tokens = await tokensOf(manager);
    return new FuzzGround({ ground, manager, plugin, document, database, tokens, publicKey });
  }

  async clear(): Promise<void> {
    this.state.close();
    await this.#database.end();
    await this.plugin.close();
    await this.ground.clear();
  }

  /** Repairs what the run has changed so that later requests mean something again. @throws when it cannot. */
  async prepare(): Promise<void> {
    for (const id of PLUGINS) {
      await this.#done([200, 201], "PUT", `/v1/plugins/${id}`, this.#registration());
      await this.#done([200, 202], "PATCH", `/v1/plugins/${id}`, { status: "enabled" });
      for (const team of TEAMS) {
        const text = ownText(team, id);
        const path = `/v1/teams/${team}/plugins/${id}`;
        const filter = `event.team == "${team}" || "${text}" == ""`;
        await this.#done([200, 202], "PUT", path, { enabled: true, forms: [text], filter });
        await this.#done([202], "PUT", `${path}/config`, { note: text, apiKey: `${SECRET_MARK}${team}` });
      }
    }
  }

  async #done(statuses: readonly number[], method: string, path: string, body: unknown): Promise<void> {
    const answer = await this.manager.call(method, path, body);
    if (!statuses.includes(answer.status))
      throw new Error(`${method} ${path} was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  }

  #registration(): Record<string, unknown> {
    const input = { type: "object", properties: { text: { type: "string" } } };
    return registration({
      url: this.plugin.url,
      publicKey: this.#publicKey,
      settings: {
        type: "object",
        properties: { note: { type: "string" }, apiKey: { type: "string", writeOnly: true }, more: {} },
      },
      actions: [{ name: "echo", description: "", input }],
      sync: { deadlineMs: 5_000 },
    });
  }

  /** What is known beyond the document: ids that are there, and values that mean more than their schema says. */
  knowledge(): FuzzKnowledge {
    return {
      actors: [...this.tokens.keys()],
      parameters: {
        // What JavaScript finds in every object is an id like any other.
        team: [...TEAMS, "nobody-1", "constructor"],
        plugin: [...PLUGINS, ...SPARE_PLUGINS, "unknown"],
        instance: ["i-1", "i-2", "constructor"],
        name: ["echo", "other", "constructor"],
      },
      kept: {
        deregisterPlugin: { plugin: [...SPARE_PLUGINS, "unknown"] },
        registerPlugin: { plugin: SPARE_PLUGINS },
      },
      fields: {
        url: fc.oneof({ weight: 4, arbitrary: fc.constant(this.plugin.url) }, { weight: 1, arbitrary: ODD_URLS }),
        settings: ODD_SCHEMAS,
        filter: FILTERS,
        forms: fc.oneof(fc.constant(null), fc.array(fc.constantFrom(OWN_TEXT, "intake", "x"), { maxLength: 3 })),
        publicKey: fc.constantFrom<unknown>(null, this.#publicKey, { kty: "oct" }, {}),
        team_id: fc.oneof(fc.constantFrom(...TEAMS, "nobody-3"), fc.integer(), fc.string()),
      },
      bodies: {
        registerPlugin: fc.constant(this.#registration()),
        configurePlugin: fc.record(
          {
            note: fc.oneof(fc.constant(OWN_TEXT), fc.string()),
            apiKey: fc.constantFrom(OWN_SECRET, OWN_SECRET, 7, null),
            more: fc.jsonValue(),
          },
          { requiredKeys: [] },
        ),
        runAction: fc.record({ text: fc.string() }, { requiredKeys: [] }),
      },
    };
  }
}

// All of them are refused, so that every plugin that is registered is one that answers.
const ODD_URLS = fc.constantFrom(
  "ftp://x",
  "http://",
  "http://a:b@c",
  "http://é.example",
  "http://127.0.0.1:9/?x",
  "http://x/\u0000",
);
const ODD_SCHEMAS = fc.constantFrom<unknown>(
  { type: "object" },
  { type: "object", required: ["x"] },
  { type: "object", properties: { note: { type: "integer" } } },
  { type: "array" },
  { $ref: "#" },
  { type: 1 },
);
const FILTERS = fc.oneof(
  fc.constantFrom(
    "answers.age >= 18",
    `event.form == "${OWN_TEXT}"`,
    "true",
    "1 +",
    "nothing.there",
    "(".repeat(500),
    null,
  ),
  fc.string(),
);

async function tokensOf(manager: TestManager): Promise<Map<string, string | null>> {
  const tokens = new Map<string, string | null>([
    ["admin", ADMIN_TOKEN],
    ["nobody", null],
  ]);
  for (const team of TEAMS) tokens.set(`team:${team}`, await manager.mint("team", team));
  for (const id of [...PLUGINS, "spare"]) tokens.set(`plugin:${id}`, await manager.mint("plugin", id));
  tokens.set("core", await manager.mint("core", "collect"));
  tokens.set("router", await manager.mint("router", "router-1"));
  tokens.set("forged", await signed("another-signing-key-of-32-bytes!!", "2099-01-01"));
  tokens.set("expired", await signed(SIGNING_KEY, "2020-01-01"));
  const [, claims] = (tokens.get("team:alpha") ?? "").split(".");
  tokens.set("unsigned", `${Buffer.from('{"alg":"none"}').toString("base64url")}.${claims}.`);
  return tokens;
}

/** A token for team alpha that would be good if its key and time were. */
async function signed(key: string, expires: string): Promise<string> {
  return await new SignJWT({ role: "team" })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject("alpha")
    .setIssuer("plugboard")
    .setIssuedAt(1)
    .setExpirationTime(new Date(expires))
    .sign(new TextEncoder().encode(key));
}
