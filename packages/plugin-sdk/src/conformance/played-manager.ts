import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  heartbeatSchema,
  leaseResponseSchema,
  PLUGIN_VERSION_HEADER,
  type PluginTopics,
  pluginViewSchema,
  registrationSchema,
  routesRequestSchema,
  type TeamEntry,
} from "@plugboard/contract";
import { Webhook } from "standardwebhooks";
import type { z } from "zod";

/** A registration as the plugin sent it, read as the manager reads it. */
export type Registered = z.output<typeof registrationSchema>;

/** What the plugin said and the manager would refuse. */
export interface RefusedCall {
  readonly call: string;
  readonly why: string;
}

/** An answer of the plugin to a call of the manager. */
export interface PluginAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** How a call differs from one that the manager makes. */
export interface CallDifference {
  /** Other headers; null leaves one out. */
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly secret?: string;
  readonly at?: Date;
  /** Sent in place of what was signed. */
  readonly sent?: string;
}

type Answer = readonly [status: number, body: unknown];

/** Short, so that heartbeats are seen soon. */
const LEASE_SECONDS = 3;
/** The manager itself waits 25 s for settings. */
const CALL_DEADLINE_MS = 25_000;

/** The manager as a plugin sees it: a real HTTP server that holds what it hears against the contract, and signs what it sends. */
export class PlayedManager {
  readonly token = randomBytes(24).toString("base64url");
  readonly secret = `whsec_${randomBytes(24).toString("base64")}`;
  readonly leaseSeconds = LEASE_SECONDS;
  readonly registrations: Registered[] = [];
  readonly heartbeats: string[] = [];
  readonly goodbyes: string[] = [];
  readonly refused: RefusedCall[] = [];
  /** Registrations, and heartbeats, that are answered with this status, once each. */
  readonly failures: { register: number[]; heartbeat: number[] } = { register: [], heartbeat: [] };
  readonly #plugin: string;
  readonly #topics: PluginTopics;
  readonly #teams = new Map<string, TeamEntry>();
  readonly #asked = new Set<string>();
  readonly #held = new Map<string, PromiseWithResolvers<void>>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  constructor(plugin: string, topics: PluginTopics) {
    this.#plugin = plugin;
    this.#topics = topics;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What the plugin said of itself last. */
  get registration(): Registered | undefined {
    return this.registrations.at(-1);
  }

  async start(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Switches the plugin on for a team. */
  enable(team: string): void {
    const route = { id: this.#plugin, forms: null, filter: null, quota: null };
    const v = this.versionOf(team) + 1;
    this.#teams.set(team, { v, plugins: [{ ...route, ready: true, mode: "async", onFailure: "open" }] });
  }

  disable(team: string): void {
    this.#teams.set(team, { v: this.versionOf(team) + 1, plugins: [] });
  }

  versionOf(team: string): number {
    return this.#teams.get(team)?.v ?? 0;
  }

  /** Lets whoever asks whether a team wants the plugin wait, until it is released. */
  hold(team: string): void {
    this.#held.set(team, Promise.withResolvers());
  }

  release(team: string): void {
    this.#held.get(team)?.resolve();
    this.#held.delete(team);
  }

  /** Whether the plugin has asked about a team. */
  wasAsked(team: string): boolean {
    return this.#asked.has(team);
  }

  /** Calls the plugin where it said it is, signed unless said otherwise. */
  async call(path: string, body: unknown, difference: CallDifference = {}): Promise<PluginAnswer> {
    const text = JSON.stringify(body);
    const id = `msg_${randomUUID()}`;
    const at = difference.at ?? new Date();
    const headers: Record<string, string | null> = {
      "content-type": "application/json",
      [PLUGIN_VERSION_HEADER]: encodeURIComponent(this.registration?.version ?? ""),
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
      "webhook-signature": new Webhook(difference.secret ?? this.secret).sign(id, at, text),
      ...difference.headers,
    };
    return await this.send(path, difference.sent ?? text, headers);
  }

  /** Sends a call as it is given. */
  async send(path: string, body: string, headers: Readonly<Record<string, string | null>>): Promise<PluginAnswer> {
    const there = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== null);
    return await this.#fetch(path, { method: "POST", headers: there, body });
  }

  async get(path: string): Promise<PluginAnswer> {
    return await this.#fetch(path, {});
  }

  async #fetch(path: string, init: RequestInit): Promise<PluginAnswer> {
    const base = this.registration?.url.replace(/\/+$/, "");
    const signal = AbortSignal.timeout(CALL_DEADLINE_MS);
    const response = await fetch(`${base}${path}`, { ...init, redirect: "manual", signal });
    const text = await response.text();
    return { status: response.status, body: asJson(text) };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = `${request.method} ${request.url}`;
    const [status, body] = await this.#answer(request, call).catch((error: Error): Answer => {
      this.refused.push({ call, why: error.message });
      return [400, { code: "invalid-input", detail: error.message }];
    });
    if (response.destroyed) return;
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }

  async #answer(request: IncomingMessage, call: string): Promise<Answer> {
    if (request.headers.authorization !== `Bearer ${this.token}`) {
      this.refused.push({ call, why: "it does not have the plugin's token: Authorization: Bearer <token>" });
      return [401, { code: "unauthenticated", detail: "a token of the plugin is needed" }];
    }
    const { method = "", url = "" } = request;
    const own = `/v1/plugins/${this.#plugin}`;
    const [path = ""] = url.split("?");
    const instance = /^\/instances\/([a-z0-9-]{1,64})$/.exec(path.slice(own.length))?.[1];
    const body = await jsonOf(request);
    if (method === "PUT" && path === own) return this.#register(body);
    if (method === "PUT" && path.startsWith(own) && instance !== undefined) return this.#beat(instance, body);
    if (method === "DELETE" && path.startsWith(own) && instance !== undefined) {
      this.goodbyes.push(instance);
      return [200, {}];
    }
    if (method === "GET" && path === own) return this.#view();
    if (method === "GET" && path === `${own}/settings`) return [200, { items: [], next: null }];
    if (method === "POST" && path === "/internal/routes") return await this.#routes(body);
    this.refused.push({ call, why: "the manager has no such path for a plugin" });
    return [404, { code: "not-found", detail: call }];
  }

  #register(body: unknown): Answer {
    const status = this.failures.register.shift();
    if (status !== undefined) return [status, { code: "unavailable", detail: "not now" }];
    this.registrations.push(registrationSchema.parse(body));
    const { leaseSeconds, secret: webhookSecret } = this;
    return [200, { id: this.#plugin, topics: this.#topics, leaseSeconds, webhookSecret, pendingApproval: [] }];
  }

  #beat(instance: string, body: unknown): Answer {
    heartbeatSchema.parse(body ?? {});
    const status = this.failures.heartbeat.shift();
    if (status !== undefined) return [status, { code: "not-found", detail: "no such plugin" }];
    this.heartbeats.push(instance);
    const expiresAt = new Date(Date.now() + LEASE_SECONDS * 1_000).toISOString();
    const standing = { version: this.registration?.version ?? "", alive: true };
    return [200, leaseResponseSchema.parse({ instance, expiresAt, instances: 1, standing })];
  }

  #view(): Answer {
    if (this.registration === undefined) return [404, { code: "not-found", detail: "no such plugin" }];
    const { registration: registered } = this;
    const now = new Date().toISOString();
    const counted = { up: true, instances: [], instancesKnown: true, teamsToReseal: 0, teamsEnabled: this.#teams.size };
    const times = { registeredAt: now, updatedAt: now };
    const view = { id: this.#plugin, ...registered, status: "enabled", pendingApproval: [], ...counted, ...times };
    return [200, pluginViewSchema.parse(view)];
  }

  async #routes(body: unknown): Promise<Answer> {
    const { teams, plugins } = routesRequestSchema.parse(body);
    for (const team of teams) {
      this.#asked.add(team);
      await this.#held.get(team)?.promise;
    }
    const entry = { v: 1, events: this.registration?.events ?? [], priorityEvents: [], sync: null, state: "enabled" };
    return [
      200,
      {
        teams: Object.fromEntries(teams.map((team) => [team, this.#teams.get(team) ?? null])),
        plugins: Object.fromEntries(plugins.map((id) => [id, id === this.#plugin ? entry : null])),
      },
    ];
  }
}

async function jsonOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return asJson(Buffer.concat(chunks).toString("utf8"));
}

/** Text that is no JSON stays text: whoever looks at it says what is wrong. */
function asJson(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return text;
  }
}
