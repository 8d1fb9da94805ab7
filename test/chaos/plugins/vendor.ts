import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import type { Kind } from "./roster.ts";

/** What became of one item, where the vendor answers at all. */
export type Answer = "done" | "refused" | "not-done";

/** An effect at the vendor, in the order in which they landed. */
export interface Landed {
  readonly kind: Kind;
  readonly id: string;
  readonly key: string;
  readonly response: string;
  readonly revision: number;
  /** Which process sent it. */
  readonly instance: string;
  /** When it did. */
  readonly sentAt: number;
  readonly at: number;
  /** Whoever asked had gone already: killed, or tired of waiting. */
  readonly orphaned: boolean;
}

/** A call whose answer nobody got, with the effect or without. */
export interface Trouble {
  readonly at: number;
  readonly how: Treatment | "the caller had gone";
}

interface Request {
  readonly instance: string;
  readonly sentAt: number;
  readonly items: readonly (Pick<Landed, "id" | "key" | "response" | "revision"> & { readonly doomed: boolean })[];
}

/** How often of a thousand calls each of these befalls one; the others are served. */
const TREATMENTS = [
  ["busy", 20],
  ["limited", 15],
  ["hangs", 4],
  ["hangs after the effect", 4],
  ["cuts the connection", 4],
  ["cuts the connection after the effect", 4],
] as const;
/** A call takes up to so long before its effect, and after it: there is always one under way when a process is killed. */
const BEFORE_MS_MAX = 50;
const AFTER_MS_MAX = 150;
type Treatment = (typeof TREATMENTS)[number][0] | "serves";

/**
 * The vendor of the rig's plugins: counts every effect. It is busy, limits, hangs or cuts a connection now and then, as the seed
 * says for each delivery's first, second, … call.
 */
export class Vendor {
  readonly url: string;
  readonly landed: Landed[] = [];
  /** By delivery. */
  readonly troubles = new Map<string, Trouble[]>();
  /** Answers 503 to everything, and does nothing, while set. */
  away = false;
  readonly #seed: number;
  readonly #server: Server;
  readonly #calls = new Map<string, number>();
  readonly #done = new Set<string>();

  private constructor(server: Server, port: number, seed: number) {
    this.#server = server;
    this.#seed = seed;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async listen(port: number, seed: number): Promise<Vendor> {
    const server = createServer((request, response) => {
      vendor.#handle(request, response).catch(() => response.destroy());
    });
    const vendor = new Vendor(server, port, seed);
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return vendor;
  }

  /** Cuts every connection; what has come in has its effect all the same. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [kind, what, sought] = (request.url ?? "").slice(1).split("/") as [Kind, "checks" | "effects", string?];
    if (sought !== undefined) {
      const treatment = this.#treat(`look-up of ${sought}`);
      if (treatment !== "serves") return void response.writeHead(503).end();
      return void response.end(JSON.stringify((this.#done.has(sought) ? "done" : "not-done") satisfies Answer));
    }
    // Cut off by a process that was killed: never asked for.
    const { instance, sentAt, items } = (await json(request)) as Request;
    const treatment = this.#treat(items[0]?.id ?? "");
    await pause(Math.random() * BEFORE_MS_MAX);
    const answer = (): readonly Answer[] =>
      items.map(({ doomed, ...item }) => {
        if (doomed) return "refused";
        const orphaned = response.destroyed;
        if (what === "effects") this.landed.push({ ...item, kind, instance, sentAt, orphaned, at: Date.now() });
        this.#done.add(item.id);
        return "done";
      });
    if (treatment.startsWith("hangs") || treatment.startsWith("cuts"))
      for (const { id } of items) this.#trouble(id, treatment);
    switch (treatment) {
      case "busy":
        return void response.writeHead(503).end();
      case "limited":
        return void response.writeHead(429, { "retry-after": "1" }).end();
      case "hangs":
        return;
      case "hangs after the effect":
        return void answer();
      case "cuts the connection":
        return void response.destroy();
      case "cuts the connection after the effect":
        answer();
        return void response.destroy();
      case "serves": {
        const answers = JSON.stringify(answer());
        await pause(Math.random() * AFTER_MS_MAX);
        if (response.destroyed) for (const { id } of items) this.#trouble(id, "the caller had gone");
        return void response.end(answers);
      }
      default:
        treatment satisfies never;
    }
  }

  #treat(call: string): Treatment {
    if (this.away) return "busy";
    const number = (this.#calls.get(call) ?? 0) + 1;
    this.#calls.set(call, number);
    let drawn = createHash("sha256").update(`${this.#seed}/${call}/${number}`).digest().readUInt32BE() % 1_000;
    for (const [treatment, perMille] of TREATMENTS) {
      if (drawn < perMille) return treatment;
      drawn -= perMille;
    }
    return "serves";
  }

  #trouble(id: string, how: Trouble["how"]): void {
    const trouble = { at: Date.now(), how };
    const known = this.troubles.get(id);
    if (known === undefined) this.troubles.set(id, [trouble]);
    else known.push(trouble);
  }
}
