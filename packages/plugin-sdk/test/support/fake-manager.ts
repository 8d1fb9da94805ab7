import { randomBytes, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  leaseResponseSchema,
  type ProblemDocument,
  pluginTopics,
  type RoutesRequest,
  type TeamEntry,
} from "@plugboard/contract";
import { Webhook } from "standardwebhooks";

interface Heard {
  readonly method: string;
  readonly path: string;
  readonly body: Record<string, unknown>;
  readonly authorization: string | undefined;
}

/** A manager as a plugin sees it: a real HTTP server that records what it hears and signs what it sends. */
export class FakeManager {
  readonly secret = `whsec_${randomBytes(24).toString("base64")}`;
  readonly heard: Heard[] = [];
  readonly teams = new Map<string, TeamEntry>();
  /** What `GET …/settings` answers. */
  settings: { team: string; version: number; state: string; settings: Record<string, unknown> }[] = [];
  pluginState: "enabled" | "disabled" = "enabled";
  leaseSeconds = 15;
  /** Answers everything with this status, while set. */
  failWith: number | null = null;
  /** What heartbeats are answered about the version that stands, and `GET` of the plugin. */
  standing: { version: string; alive: boolean } | undefined;
  /** Refuses registrations with this problem document, while set. */
  refuseRegistration: ProblemDocument | null = null;
  readonly #plugin: string;
  readonly #topicPrefix: string;
  #server: Server | null = null;
  #port = 0;

  constructor(plugin: string, topicPrefix: string) {
    this.#plugin = plugin;
    this.#topicPrefix = topicPrefix;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Picks a port; a later start takes the same. */
  async start(): Promise<void> {
    const server = createServer(async (request, response) => {
      const body = await bodyOf(request);
      const path = request.url ?? "";
      this.heard.push({ method: request.method ?? "", path, body, authorization: request.headers.authorization });
      const [status, answer] =
        this.failWith === null
          ? this.#answer(request.method ?? "", path, body)
          : [this.failWith, { code: "unavailable" }];
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  }

  /** Enables the plugin for a team; each change is a new version. */
  enable(team: string, ready = true): void {
    const route = { id: this.#plugin, ready, forms: null, filter: null, mode: "async", onFailure: "open", quota: null };
    this.teams.set(team, { v: this.versionOf(team) + 1, plugins: [route] } as TeamEntry);
  }

  disable(team: string): void {
    this.teams.set(team, { v: this.versionOf(team) + 1, plugins: [] });
  }

  versionOf(team: string): number {
    return this.teams.get(team)?.v ?? 0;
  }

  heardOf(method: string, path: RegExp): Heard[] {
    return this.heard.filter((one) => one.method === method && path.test(one.path));
  }

  /** Calls the plugin, signed. */
  async call(
    pluginUrl: string,
    path: string,
    body: unknown,
    how: { secret?: string; at?: Date; sent?: string } = {},
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const text = JSON.stringify(body);
    const id = randomUUID();
    const at = how.at ?? new Date();
    const response = await fetch(`${pluginUrl}${path}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
        "webhook-signature": new Webhook(how.secret ?? this.secret).sign(id, at, text),
      },
      body: how.sent ?? text,
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  #answer(method: string, path: string, body: Record<string, unknown>): [number, unknown] {
    const own = `/v1/plugins/${this.#plugin}`;
    if (method === "POST" && path === "/internal/routes") return [200, this.#routes(body as RoutesRequest)];
    if (method === "GET" && path.startsWith(`${own}/settings`)) return [200, this.#page(path)];
    if (method === "PUT" && path === own) {
      if (this.refuseRegistration !== null) return [this.refuseRegistration.status, this.refuseRegistration];
      const topics = pluginTopics(this.#plugin, this.#topicPrefix);
      const { leaseSeconds, secret: webhookSecret } = this;
      return [200, { id: this.#plugin, topics, leaseSeconds, webhookSecret, pendingApproval: [] }];
    }
    if (method === "PUT") {
      const instance = path.split("/").at(-1);
      // Held against the contract: what the client refuses would look like a manager that fails.
      const lease = { instance, expiresAt: new Date().toISOString(), instances: 1, standing: this.standing };
      return [200, leaseResponseSchema.parse(lease)];
    }
    if (method === "GET" && path === own && this.standing !== undefined)
      return [200, { status: "enabled", version: this.standing.version }];
    if (method === "DELETE") return [200, {}];
    return [404, { code: "not-found" }];
  }

  #routes({ teams = [], plugins = [] }: RoutesRequest) {
    const entry = { v: 1, events: ["onResponse"], priorityEvents: [], sync: null, state: this.pluginState };
    return {
      teams: Object.fromEntries(teams.map((team) => [team, this.teams.get(team) ?? null])),
      plugins: Object.fromEntries(plugins.map((id) => [id, id === this.#plugin ? entry : null])),
    };
  }

  /** Two to a page, so that paging happens. */
  #page(path: string) {
    const after = new URL(path, this.url).searchParams.get("after");
    const rest = this.settings.filter(({ team }) => after === null || team > after);
    const items = rest.slice(0, 2);
    return { items, next: rest.length > 2 ? (items.at(-1)?.team ?? null) : null };
  }
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString("utf8");
  return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
}
